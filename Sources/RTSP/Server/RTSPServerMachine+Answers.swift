/// How operations end. Each answers the request that asked for it; without one they do nothing.
extension RTSPServerMachine {
    /// The request whose operation is being worked on.
    public var pendingRequest: RTSPRequest? { pending?.request }

    private mutating func finish() -> (request: RTSPRequest, operation: RTSPOperation)? {
        defer { pending = nil }
        return pending
    }

    /// Refuses the operation; the connection goes on.
    public mutating func refuse(_ status: RTSPStatus, _ detail: String? = nil) {
        guard let request = finish()?.request else { return }
        answer(status, detail, to: request)
    }

    /// Sends the client elsewhere (RTSP-33).
    public mutating func redirect(to url: String) {
        guard let request = finish()?.request else { return }
        var response = RTSPResponse(.found)
        response.headers["Location"] = url
        answer(response, to: request)
    }

    /// Asks for credentials.
    public mutating func challenge(_ challenges: [RTSPChallenge]) {
        guard let request = finish()?.request else { return }
        var response = RTSPResponse(.unauthorized)
        for challenge in challenges { response.headers.add("WWW-Authenticate", challenge.text) }
        answer(response, to: request)
    }

    /// DESCRIBE.
    public mutating func described(by description: [UInt8]) {
        guard let request = finish()?.request else { return }
        var response = RTSPResponse(.ok, body: description)
        let base = RTSPURL(request.url)?.text ?? request.url
        response.headers["Content-Base"] = base.hasSuffix("/") ? base : base + "/"
        response.headers["Content-Type"] = "application/sdp"
        answer(response, to: request)
    }

    /// ANNOUNCE.
    ///
    /// - Parameters:
    ///   - controls: of each track, in the description's order.
    ///   - keys: that the description has for each track.
    ///   - comesFromAnyPort: whether the owner takes datagrams from other ports than the client names.
    public mutating func announced(
        controls: [String], keys: [RTSPMediaKeys?] = [], comesFromAnyPort: Bool = false
    ) {
        guard let (request, operation) = finish(), case .announce(let target, _) = operation else { return }
        announced = Announced(
            target: target, controls: controls, keys: keys, comesFromAnyPort: comesFromAnyPort)
        answer(.ok, to: request)
    }

    /// SETUP of a reader.
    ///
    /// - Parameters:
    ///   - ssrcs: of each track that can be read, in the description's order; nil for one that the client sends.
    ///   - multicast: the group of a track, asked for when the client wants one and may have it; nil when there is none.
    public mutating func found(ssrcs: [UInt32?], multicast: (Int) -> RTSPMulticastGroup? = { _ in nil }) {
        guard let (request, operation) = finish(), case .setUp(let target) = operation else { return }
        guard let track = target.track ?? (ssrcs.count { $0 != nil } == 1 ? ssrcs.firstIndex { $0 != nil } : nil) else {
            return answer(.aggregateOperationNotAllowed, "tracks are set up one by one", to: request)
        }
        guard ssrcs.indices.contains(track) else {
            return answer(.notFound, "there is no such track", to: request)
        }
        setUp(
            track, of: RTSPTarget(path: target.path, query: target.query), role: .reader, ssrc: ssrcs[track], request,
            multicast: multicast)
    }

    /// PLAY.
    ///
    /// - Parameter positions: where each track begins, by its number, as far as it is known (RTSP-15): its first packet's
    ///   number, and the time stamp of one moment that is the same for all tracks.
    public mutating func played(from positions: [Int: (sequenceNumber: UInt16?, timestamp: UInt32?)]) {
        guard let (request, operation) = finish(), case .play(let tracks) = operation, let session else { return }
        self.session?.activeTracks.formUnion(tracks)
        var response = RTSPResponse(.ok)
        if let range = request.headers["Range"] { response.headers["Range"] = RTSPRange(range).text }
        let info = session.media.compactMap { media -> RTPInfo? in
            guard tracks.contains(media.track), let position = positions[media.track],
                position.sequenceNumber != nil || position.timestamp != nil
            else { return nil }
            return RTPInfo(
                url: RTSPURL(media.url)?.text ?? media.url, sequenceNumber: position.sequenceNumber,
                timestamp: position.timestamp)
        }
        if !info.isEmpty { response.headers["RTP-Info"] = RTPInfo.text(info) }
        answer(response, to: request)
    }

    /// RECORD, PAUSE and TEARDOWN.
    public mutating func done() {
        guard let (request, operation) = finish() else { return }
        switch operation {
        case .record:
            let tracks = Set(session?.media.map(\.track) ?? [])
            session?.activeTracks = tracks
        case .pause(let tracks): session?.activeTracks.subtract(tracks)
        case .tearDown:
            answer(.ok, to: request)
            session = nil
            announced = nil
            return
        default: break
        }
        answer(.ok, to: request)
    }

    /// GET_PARAMETER: the values of the names that are known; the others are refused with 451.
    public mutating func read(_ values: [String: String]) {
        guard let (request, operation) = finish(), case .getParameters(let names) = operation else { return }
        let unknown = names.filter { values[$0] == nil }
        var response = RTSPResponse(unknown.isEmpty ? .ok : .parameterNotUnderstood)
        response.headers["Content-Type"] = "text/parameters"
        let lines = unknown.isEmpty ? names.map { "\($0): \(values[$0] ?? "")" } : unknown
        response.body = Array(lines.map { "\($0)\r\n" }.joined().utf8)
        answer(response, to: request)
    }
}
