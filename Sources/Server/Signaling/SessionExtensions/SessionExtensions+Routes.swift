internal import FoundationEssentials
import HTTP
import Streams
import Wire

/// The extensions of WHEP below a viewer's session: `…/{session}/events` and `…/{session}/layer`. Whoever may act on the
/// session may use them, by the same token.
extension SignalingRoutes {
    private static let jsonType = "application/json"
    private static let bodyLimit = 4 * 1024

    func addExtensions(to router: inout Router) {
        let session = "/{room...}/whep/{session}"
        router.add(.post, session + "/events", bodyLimit: Self.bodyLimit, acceptPost: Self.jsonType) { request in
            await self.onSession(request, .viewer) { await self.createStream(request, $0) }
        }
        router.add(.get, session + "/events/{stream}") { request in
            await self.onSession(request, .viewer) { await self.listen(request, $0) }
        }
        router.add(.delete, session + "/events/{stream}") { request in
            await self.onSession(request, .viewer) { session in
                let id = request.parameters["stream"] ?? ""
                return await self.service.viewerEvents.remove(id, of: session.id)
                    ? HTTPResponse(status: 200) : self.unknownSession()
            }
        }
        router.add(.post, session + "/layer", bodyLimit: Self.bodyLimit, acceptPost: Self.jsonType) { request in
            await self.onSession(request, .viewer) { await self.chooseLayer(request, $0) }
        }
    }

    /// What tells clients of the extensions: values of `Link` fields, below the session's `location`.
    static func extensionLinks(_ location: String) -> [String] {
        let names = ViewerEvents.Kind.allCases.map(\.rawValue).joined(separator: ",")
        let core = "urn:ietf:params:whep:ext:core"
        return [
            "<\(location)/events>; rel=\"\(core):server-sent-events\"; events=\"\(names)\"",
            "<\(location)/layer>; rel=\"\(core):layer\"",
        ]
    }

    private func createStream(_ request: HTTPRequest, _ session: WebRTCSession) async -> HTTPResponse {
        var kinds = Set(ViewerEvents.Kind.allCases)
        if !request.body.isEmpty {
            guard request.hasContentType(Self.jsonType) else { return Self.notJSON }
            guard let names = try? JSONDecoder().decode([String].self, from: Data(request.body)) else {
                return .problem(400, detail: "the body has to be a JSON list of names of events")
            }
            let known = names.map { ViewerEvents.Kind(rawValue: $0) }
            guard !known.contains(nil) else {
                let all = ViewerEvents.Kind.allCases.map(\.rawValue).joined(separator: ", ")
                return .problem(400, detail: "the list names an event that there is not; there are: \(all)")
            }
            kinds = Set(known.compactMap { $0 })
        }
        guard let id = await service.viewerEvents.create(session, kinds) else {
            return .problem(409, detail: "the session has \(ViewerEvents.streamsPerSession) event streams already")
        }
        // A session that ended meanwhile takes its streams along, this one too.
        guard await service.registry.session(session.id) != nil else {
            service.viewerEvents.sessionEnded(session.id)
            return unknownSession()
        }
        var response = HTTPResponse(status: 201)
        response.headers["Location"] = location(room: session.roomName, .viewer, session.id) + "/events/" + id
        response.headers["Cache-Control"] = "no-store"
        return response
    }

    private func listen(_ request: HTTPRequest, _ session: WebRTCSession) async -> HTTPResponse {
        guard request.method == .get,
            let stream = await service.viewerEvents.listen(request.parameters["stream"] ?? "", of: session.id)
        else { return request.method == .head ? SignalingResponses.noContent() : unknownSession() }
        return .eventStream(stream)
    }

    private func chooseLayer(_ request: HTTPRequest, _ session: WebRTCSession) async -> HTTPResponse {
        guard request.body.isEmpty || request.hasContentType(Self.jsonType) else { return Self.notJSON }
        guard let selection = LayerSelection(request.body) else {
            return .problem(400, detail: "the body has to be a JSON object such as {\"mediaId\":\"0\",\"rid\":\"h\"}")
        }
        guard let index = session.videoIndex, session.isVideo(selection.mediaId) else {
            return .problem(422, detail: "the session has no video in this m-line (mediaId)")
        }
        let track = session.peer.room.track(.video)
        let peer = session.description.id
        let preference: LayerPreference
        do throws(LayerSelection.Refusal) {
            preference = try selection.preference(among: await track.availableLayers)
        } catch {
            return .problem(422, detail: error.detail)
        }
        guard await track.chooseLayers(preference, for: peer) else {
            return SignalingResponses.retry(
                .problem(409, detail: "the session is not connected, or the layer has just gone"), after: 1)
        }
        service.viewerEvents.changed(session.roomName)
        return .json(Self.chosen(index, preference, await track.layers(of: peer), await track.availableLayers))
    }

    /// What was asked for and what the viewer gets now (RTP-116).
    private static func chosen(
        _ index: Int, _ preference: LayerPreference, _ layers: ViewerLayers?, _ available: [LayerDescription]
    ) -> [UInt8] {
        func name(_ encoding: Int) -> String {
            available.first { $0.encoding == encoding }?.name ?? String(encoding)
        }
        var json = JSONWriter()
        json.object {
            $0.member("mediaId", String(index))
            if let encoding = preference.encoding { $0.member("rid", name(encoding)) }
            if let layer = preference.spatialLayer { $0.member("maxSpatialLayerId", layer) }
            if let layer = preference.temporalLayer { $0.member("maxTemporalLayerId", layer) }
            if let width = preference.maximumWidth { $0.member("maxWidth", width) }
            if let height = preference.maximumHeight { $0.member("maxHeight", height) }
            if let current = layers?.current { $0.member("currentRid", name(current.encoding)) }
            if let target = layers?.target { $0.member("targetRid", name(target.encoding)) }
        }
        return json.bytes
    }

    private static let notJSON = HTTPResponse.problem(
        415, detail: "the body has to be JSON with Content-Type: application/json")
}
