import HTTP
import SDP
import Secure
import Wire

/// WHIP and WHEP over HTTP: `/{room}/whip`, `/{room}/whep` and the sessions below them.
///
/// Every request is first counted against its address, then authorized, and only then looked at (WHIP-12, WHIP-40).
struct SignalingRoutes: Sendable {
    let service: WebRTCService
    let authorizer: any Authorizing
    let settings: @Sendable () -> ServerSettings
    let limiter: SharedRateLimiter

    func add(to router: inout Router) {
        for role in [PeerRole.publisher, .viewer] {
            let endpoint = "/{room...}/" + role.word
            let session = endpoint + "/{session}"
            router.add(
                .post, endpoint, bodyLimit: SDPLimits.standard.maximumBytes, acceptPost: SignalingResponses.sdpType
            ) { await post($0, role) }
            router.add(.options, endpoint) { await options($0, role) }
            router.add(.get, endpoint) { probe($0, role) }
            router.add(.patch, session, bodyLimit: SDPLimits.standard.maximumBytes) { await patch($0, role) }
            router.add(.delete, session) { await delete($0, role) }
            router.add(.options, session) { await options($0, role) }
            router.add(.get, session) { await probeSession($0, role) }
        }
    }

    // MARK: POST

    private func post(_ request: HTTPRequest, _ role: PeerRole) async -> HTTPResponse {
        await open(request, role, roomName: request.parameters["room"] ?? "", createdStatus: 201)
    }

    /// Makes a session of `role` in the room called `roomName`.
    ///
    /// - Parameter idlePolicy: what a viewer is told while nobody publishes; nil for the room's own policy.
    func open(
        _ request: HTTPRequest, _ role: PeerRole, roomName: String, createdStatus: Int,
        idlePolicy: WHEPIdlePolicy? = nil
    ) async -> HTTPResponse {
        if let refusal = limit(request) { return refusal }
        guard let room = settings().room(named: roomName) else { return unknownRoom(roomName) }
        if let refusal = await refusal(request, role, room: roomName) { return refusal }
        guard request.hasContentType(SignalingResponses.sdpType) else {
            return .problem(415, detail: "the body has to be an SDP offer with Content-Type: application/sdp")
        }
        let signaling = SignalingRequest(
            room: room, offer: request.body, remote: request.remoteAddress,
            isForwarded: request.headers.contains("X-Forwarded-For") || request.headers.contains("Forwarded"),
            tokenDigest: tokenDigest(of: request))
        do throws(SignalingError) {
            let answer = try await role == .publisher ? service.publish(signaling) : service.view(signaling)
            return SignalingResponses.created(
                answer, location: location(answer.session, role), status: createdStatus,
                iceServers: settings().iceServerLinks)
        } catch {
            if case .conflict = error, role == .viewer, idlePolicy ?? room.whepIdlePolicy == .notFound404 {
                return .problem(404, detail: "there is no such stream at the moment")
            }
            return SignalingResponses.problem(error)
        }
    }

    private func location(_ session: WebRTCSession, _ role: PeerRole) -> String {
        let segments = session.roomName.split(separator: "/").map(String.init) + [role.word, session.id]
        return "/" + segments.map(PercentEncoding.encodeSegment).joined(separator: "/")
    }

    private func unknownRoom(_ name: String) -> HTTPResponse {
        .problem(404, detail: RoomName.problem(with: name) ?? "the configuration has no room of this name (paths)")
    }

    // MARK: PATCH and DELETE

    private func patch(_ request: HTTPRequest, _ role: PeerRole) async -> HTTPResponse {
        await onSession(request, role) { session in
            guard request.hasContentType(SignalingResponses.fragmentType) else {
                return .problem(
                    415, detail: "a session takes candidates as Content-Type: application/trickle-ice-sdpfrag")
            }
            let fragment: TrickleFragment
            do throws(SDPError) {
                fragment = try TrickleFragment(parsing: request.body)
            } catch {
                return .problem(error.kind == .tooLarge ? 413 : 400, detail: "the fragment cannot be read: \(error)")
            }
            if let condition = request.headers["If-Match"], !EntityTag.matchHolds(condition, for: session.entityTag) {
                return .problem(412, detail: "If-Match names another ICE generation than the session's")
            }
            if let credentials = fragment.credentials, !session.isCurrent(credentials) {
                return .problem(422, detail: "ICE restart is not supported by this version; open a new session")
            }
            // A lite agent sends no checks, so it needs no candidates: the client's own checks show where it is.
            return HTTPResponse(status: 204)
        }
    }

    private func delete(_ request: HTTPRequest, _ role: PeerRole) async -> HTTPResponse {
        await onSession(request, role) { session in
            guard await service.end(session.id, .deleted) else { return unknownSession() }
            return HTTPResponse(status: 200)
        }
    }

    /// Runs `body` on the session the URL names, when it is there, of this role and room, and the caller may.
    private func onSession(
        _ request: HTTPRequest, _ role: PeerRole, _ body: (WebRTCSession) async -> HTTPResponse
    ) async -> HTTPResponse {
        if let refusal = limit(request) { return refusal }
        let roomName = request.parameters["room"] ?? ""
        if let refusal = await refusal(request, role, room: roomName) { return refusal }
        guard let session = await session(request, role), session.isOwned(by: tokenDigest(of: request))
        else { return unknownSession() }
        return await body(session)
    }

    private func session(_ request: HTTPRequest, _ role: PeerRole) async -> WebRTCSession? {
        guard let session = await service.registry.session(request.parameters["session"] ?? ""),
            session.role == role, session.roomName == request.parameters["room"]
        else { return nil }
        return session
    }

    private func unknownSession() -> HTTPResponse { .problem(404, detail: "there is no such session") }

    // MARK: OPTIONS, GET, HEAD

    private func options(_ request: HTTPRequest, _ role: PeerRole) async -> HTTPResponse {
        var response = HTTPResponse(status: 200)
        response.headers["Accept-Post"] = SignalingResponses.sdpType
        response.headers["Allow"] = CORSPolicy.allowedMethods
        // A preflight has no credentials, so it learns nothing (WHIP-38).
        guard request.headers["Access-Control-Request-Method"] == nil, let name = request.parameters["room"],
            await refusal(request, role, room: name) == nil
        else { return response }
        for link in settings().iceServerLinks { response.headers.add("Link", link) }
        return response
    }

    private func probe(_ request: HTTPRequest, _ role: PeerRole) -> HTTPResponse {
        guard role == .viewer, request.method == .head else { return SignalingResponses.noContent() }
        return HTTPResponse(status: 200, headers: ["Content-Type": SignalingResponses.sdpType])
    }

    private func probeSession(_ request: HTTPRequest, _ role: PeerRole) async -> HTTPResponse {
        await onSession(request, role) { _ in SignalingResponses.noContent() }
    }

    // MARK: who may

    private func limit(_ request: HTTPRequest) -> HTTPResponse? {
        switch limiter.admit(request.remoteAddress) {
        case .admitted: nil
        case .limited(let seconds): SignalingResponses.tooManyRequests(seconds)
        }
    }

    private func refusal(_ request: HTTPRequest, _ role: PeerRole, room: String) async -> HTTPResponse? {
        let outcome = await authorizer.authorize(
            action: role == .publisher ? .publish : .read, path: room, protocol: role == .publisher ? .whip : .whep,
            credentials: credentials(of: request))
        switch outcome {
        case .allowed: return nil
        case .unauthenticated: return SignalingResponses.unauthorized()
        case .forbidden: return SignalingResponses.forbidden()
        }
    }

    private func credentials(of request: HTTPRequest) -> Credentials {
        Credentials(
            bearerToken: request.headers["Authorization"].flatMap { Credentials.bearerToken(inAuthorization: $0) },
            queryToken: request.query["token"], address: request.remoteAddress)
    }

    /// SHA-256 of the token that counts, to bind a session to whoever made it.
    private func tokenDigest(of request: HTTPRequest) -> [UInt8]? {
        let credentials = credentials(of: request)
        let token = credentials.bearerToken ?? (settings().allowTokenInQuery ? credentials.queryToken : nil)
        return token.map { Array($0.revealed.utf8).withBytes { Digest.sha256($0) } }
    }
}

extension PeerRole {
    /// The word in URLs.
    var word: String { self == .publisher ? "whip" : "whep" }
}
