extension RTSPServerMachine {
    /// The methods that work, as OPTIONS tells them.
    static let publicMethods =
        "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, TEARDOWN, GET_PARAMETER, SET_PARAMETER"

    /// Options that a client may insist on: with the first, a description has the source's back channel if there is one.
    static let knownOptions: Set<String> = [RTSPOptionTag.backChannel]

    /// Whether the client whose request is worked on can speak to the camera.
    public var wantsBackChannel: Bool {
        pendingRequest.map { Self.requiredOptions(of: $0).contains(RTSPOptionTag.backChannel) } ?? false
    }

    private static func requiredOptions(of request: RTSPRequest) -> [String] {
        (request.headers.all("Require") + request.headers.all("Proxy-Require"))
            .flatMap { $0.split(separator: ",") }.map { String($0.trimmingBlanks) }.filter { !$0.isEmpty }
    }

    mutating func handle(_ request: RTSPRequest) {
        guard let number = request.headers["CSeq"], number.decimal(upTo: 4_294_967_295) != nil else {
            answer(.badRequest, "the request has no CSeq", to: request)
            return close()
        }
        let unknown = Self.requiredOptions(of: request).filter { !Self.knownOptions.contains($0) }
        if !unknown.isEmpty {
            var response = RTSPResponse(.optionNotSupported)
            response.headers["Unsupported"] = unknown.joined(separator: ", ")
            return answer(response, to: request)
        }
        if let text = request.headers["Session"] {
            guard let header = RTSPSessionHeader(text), session == nil || header.id == session?.id else {
                return answer(.sessionNotFound, "this connection has no such session", to: request)
            }
            if session == nil { return ask(.resume(session: header.id), for: request) }
        }
        switch request.method {
        case .options:
            var response = RTSPResponse(.ok)
            response.headers["Public"] = Self.publicMethods
            answer(response, to: request)
        case .describe: ask(.describe(RTSPTarget(url: request.url)), for: request)
        case .announce: handleAnnounce(request)
        case .setup: handleSetUp(request)
        case .play: handlePlay(request)
        case .pause: handlePause(request)
        case .record: handleRecord(request)
        case .teardown:
            // What was announced is taken back, too.
            guard session != nil || announced != nil else { return answer(.sessionNotFound, to: request) }
            ask(.tearDown, for: request)
        case .getParameter:
            let names = Self.parameterNames(request.body)
            if names.isEmpty { answer(.ok, to: request) } else { ask(.getParameters(names), for: request) }
        case .setParameter:
            let names = Self.parameterNames(request.body)
            guard !names.isEmpty else { return answer(.ok, to: request) }
            answerUnknown(names, to: request)
        case .redirect, nil: answer(.notImplemented, "the server does not know this method", to: request)
        }
    }

    private mutating func answerUnknown(_ names: [String], to request: RTSPRequest) {
        var response = RTSPResponse(.parameterNotUnderstood)
        response.headers["Content-Type"] = "text/parameters"
        response.body = Array(names.map { "\($0)\r\n" }.joined().utf8)
        answer(response, to: request)
    }

    /// The names of a body of type text/parameters, one on each line, with or without a value.
    private static func parameterNames(_ body: [UInt8]) -> [String] {
        body.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }).prefix(32).compactMap { line in
            let name = String(decoding: line.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self).trimmingBlanks
            return name.isEmpty ? nil : String(name.prefix(64))
        }
    }

    // MARK: publishing

    private mutating func handleAnnounce(_ request: RTSPRequest) {
        guard session == nil else {
            return answer(.methodNotValidInThisState, "the session is to be ended first", to: request)
        }
        let type = request.headers["Content-Type"]?.split(separator: ";").first?.trimmingBlanks.lowercased()
        guard type == nil || type == "application/sdp" else {
            return answer(
                .unsupportedMediaType, "a description is application/sdp", to: request, for: .publisher,
                RTSPTarget(url: request.url))
        }
        guard !request.body.isEmpty else {
            return answer(
                .badRequest, "the request brings no description", to: request, for: .publisher,
                RTSPTarget(url: request.url))
        }
        announced = nil
        ask(.announce(RTSPTarget(url: request.url), request.body), for: request)
    }

    private mutating func handleRecord(_ request: RTSPRequest) {
        guard let announced else {
            return answer(.methodNotValidInThisState, "nothing was announced", to: request)
        }
        guard let session else { return answer(.sessionNotFound, "no track is set up", to: request) }
        guard !session.isActive else {
            return answer(.methodNotValidInThisState, "the session records already", to: request)
        }
        guard session.media.count == announced.controls.count else {
            return answer(
                .badRequest, "\(announced.controls.count) tracks were announced, \(session.media.count) are set up",
                to: request, for: .publisher, announced.target)
        }
        ask(.record, for: request)
    }

    // MARK: reading

    private mutating func handlePlay(_ request: RTSPRequest) {
        guard let tracks = readerTracks(request) else { return }
        ask(.play(tracks: tracks), for: request)
    }

    private mutating func handlePause(_ request: RTSPRequest) {
        if let session, session.role == .publisher { return pauseRecording(session, request) }
        guard let tracks = readerTracks(request) else { return }
        ask(.pause(tracks: tracks), for: request)
    }

    /// What comes until the next RECORD is passed over (RFC 2326, section A.2); of all tracks, as they were begun.
    private mutating func pauseRecording(_ session: RTSPServerSession, _ request: RTSPRequest) {
        guard session.isActive else {
            return answer(.methodNotValidInThisState, "the session does not record", to: request)
        }
        ask(.pause(tracks: session.activeTracks), for: request)
    }

    /// The tracks a request of a reader is about: the one it names, else all. nil when it has been answered.
    private mutating func readerTracks(_ request: RTSPRequest) -> Set<Int>? {
        guard let session else {
            answer(.sessionNotFound, "no track is set up", to: request)
            return nil
        }
        guard session.role == .reader else {
            answer(.methodNotValidInThisState, "the session publishes", to: request)
            return nil
        }
        let tracks = Set(session.media.map(\.track))
        let target = RTSPTarget(url: request.url)
        guard let track = target.track else { return tracks }
        guard tracks.contains(track) else {
            answer(.notFound, "the session has no such track", to: request)
            return nil
        }
        return [track]
    }

    // MARK: transports

    private mutating func handleSetUp(_ request: RTSPRequest) {
        guard session?.isActive != true else {
            return answer(.methodNotValidInThisState, "the session runs already", to: request)
        }
        guard request.headers["Transport"] != nil else {
            return answer(.badRequest, "the request has no Transport", to: request)
        }
        guard let announced else {
            let target = RTSPTarget(url: request.url)
            // Before the owner is asked, who would take another room for the session's.
            guard session == nil || session?.target.path == target.path else {
                return answer(.methodNotValidInThisState, "the session is about another path", to: request)
            }
            return ask(.setUp(target), for: request)
        }
        let target = RTSPTarget(url: request.url, controls: announced.controls)
        guard let track = target.track else {
            return answer(.notFound, "no announced track has this URL", to: request)
        }
        guard target.path == announced.target.path else {
            return answer(.notFound, "another path was announced", to: request)
        }
        setUp(track, of: announced.target, role: .publisher, ssrc: nil, request)
    }

    /// Agrees on a transport for `track` and answers.
    mutating func setUp(
        _ track: Int, of target: RTSPTarget, role: RTSPServerSession.Role, ssrc: UInt32?, _ request: RTSPRequest,
        multicast: (Int) -> RTSPMulticastGroup? = { _ in nil }
    ) {
        var session = session ?? RTSPServerSession(id: newSessionID(), role: role, target: target)
        guard session.role == role, session.target.path == target.path else {
            return answer(.methodNotValidInThisState, "the session is about another path", to: request)
        }
        guard !session.media.contains(where: { $0.track == track }) else {
            return answer(.methodNotValidInThisState, "the track is set up already", to: request)
        }
        let keys =
            request.headers["KeyMgmt"].flatMap { RTSPKeyManagement.keys(inField: $0) }
            ?? announced.flatMap { $0.keys.indices.contains(track) ? $0.keys[track] : nil }
        let chosen: RTSPTransport?
        do throws(RTSPHeaderError) {
            let proposed = try RTSPTransport.alternatives(request.headers["Transport"] ?? "")
            // A track that the client sends to a camera is set up within a session that plays.
            let isEitherWay = role == .reader && ssrc == nil
            let alternatives = proposed.filter { isEitherWay || $0.mode ?? role.mode == role.mode }
            guard proposed.isEmpty || !alternatives.isEmpty else {
                return answer(
                    .methodNotValidInThisState,
                    role == .reader
                        ? "nothing was announced that could be recorded" : "what was announced can only be recorded",
                    to: request)
            }
            chosen = try choose(alternatives, session, hasKeys: keys != nil) { multicast(track) }
        } catch {
            return answer(.badRequest, error.problem, to: request, for: role, target)
        }
        guard var chosen else {
            return answer(
                .unsupportedTransport, "none of the transports is to be had here", to: request, for: role, target)
        }
        chosen.ssrc = ssrc
        chosen.mode = nil
        chosen.source = nil
        session.media.append(
            RTSPServerSession.Media(
                track: track, transport: chosen, url: request.url, keys: chosen.isSecure ? keys : nil))
        self.session = session
        var response = RTSPResponse(.ok)
        response.headers["Transport"] = chosen.text
        if chosen.isSecure, let message = configuration.keyMessage {
            let url = RTSPURL(request.url)?.text ?? request.url
            response.headers["KeyMgmt"] = RTSPKeyManagement.field(message(ssrc.map { [$0] } ?? []), url: url)
        }
        answer(response, to: request)
    }

    /// SRTP needs keys, which only a secret connection can carry; beside such a connection there is nothing else (RTSP-24).
    private func isAllowed(_ transport: RTSPTransport, hasKeys: Bool) -> Bool {
        guard configuration.keyMessage != nil else { return !transport.isSecure }
        return transport.isSecure ? hasKeys : transport.delivery == .tcp
    }

    /// The first alternative that is allowed (RTSP-5); nil when there is none.
    private func choose(
        _ alternatives: [RTSPTransport], _ session: RTSPServerSession, hasKeys: Bool,
        multicast: () -> RTSPMulticastGroup?
    ) throws(RTSPHeaderError) -> RTSPTransport? {
        var problem: String?
        for alternative in alternatives {
            let delivery = alternative.delivery
            guard configuration.deliveries.contains(delivery), session.delivery ?? delivery == delivery,
                isAllowed(alternative, hasKeys: hasKeys)
            else { continue }
            if delivery == .multicast {
                // Group and ports are the server's to choose, whatever the client proposes (RFC 2326, section 12.39).
                guard let group = session.role == .reader ? multicast() : nil else { continue }
                return alternative.moved(to: group)
            }
            var chosen = alternative
            chosen.destination = nil
            if delivery == .tcp {
                if let channels = alternative.channels {
                    let isTaken = session.media.contains { $0.transport.channels?.overlaps(channels) ?? false }
                    if isTaken { throw RTSPHeaderError("another track has these interleaved channels") }
                } else {
                    chosen.channels = session.freeChannels()
                }
                chosen.isMulticast = false
                chosen.clientPorts = nil
                return chosen
            }
            guard let ports = configuration.serverPorts, let clientPorts = alternative.clientPorts,
                alternative.destination == nil || alternative.destination == clientHost
            else { continue }
            let isTaken = session.media.contains { $0.transport.clientPorts?.overlaps(clientPorts) ?? false }
            if isTaken { throw RTSPHeaderError("another track has these client ports") }
            if announced?.comesFromAnyPort != true, let refusal = configuration.claimPorts?(clientPorts) {
                problem = problem ?? refusal
                continue
            }
            chosen.serverPorts = ports
            chosen.channels = nil
            return chosen
        }
        if let problem { throw RTSPHeaderError(problem) }
        return nil
    }
}
