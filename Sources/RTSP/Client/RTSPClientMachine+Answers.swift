import Wire

/// What the server's answers and requests lead to.
extension RTSPClientMachine {
    /// Of one request, with other credentials each time.
    private static let maximumRetries = 3
    private static let backChannelPatienceSeconds: UInt64 = 4

    /// Requests of the server: signs of life are answered, a redirection is followed, the rest is not known.
    mutating func answer(_ request: RTSPRequest) {
        let isKnown = request.method == .options || request.method == .getParameter || request.method == .redirect
        var response = RTSPResponse(isKnown ? .ok : .notImplemented)
        response.headers["CSeq"] = request.headers["CSeq"]
        events.append(.send(response.serialized))
        if request.method == .redirect, let url = request.headers["Location"].flatMap({ RTSPURL($0) }) {
            redirect(to: url)
        }
    }

    private mutating func redirect(to url: RTSPURL) {
        // Never from the secure scheme to the other, never with credentials to another host (RTSP-47).
        guard url.isSecure || !configuration.url.isSecure else {
            return fail(.malformed("the server redirects to an insecure address"))
        }
        var target = url
        if url.host.lowercased() == configuration.url.host.lowercased() {
            target.user = configuration.url.user
            target.password = configuration.url.password
        } else {
            target.user = nil
            target.password = nil
        }
        leaveSession()
        end(.redirected(target))
    }

    mutating func received(_ response: RTSPResponse, at now: Instant) {
        guard let outstanding else { return }
        // Cameras answer with another number, or none; only one that is certainly older is passed over.
        if let text = response.headers["CSeq"], let number = Int(text), number < outstanding.number { return }
        self.outstanding = nil
        answerDue = nil
        let method = outstanding.request.method ?? .options
        if state == .endingSession {
            state = .over
            events.append(.ended)
            return
        }
        if response.status.code == 401 { return retry(outstanding.request, outstanding.retries, response, at: now) }
        if response.status.isRedirection, let url = response.headers["Location"].flatMap({ RTSPURL($0) }) {
            return redirect(to: url)
        }
        // An answer to a sign of life, whatever it says.
        if state == .playing { return }
        guard response.status.isSuccess else {
            if method == .options { return begin(at: now) }
            if method == .describe, requiresBackChannel {
                requiresBackChannel = false
                return begin(at: now)
            }
            if method == .setup, hasBackChannel, transports.count == controls.count - 1 {
                hasBackChannel = false
                controls.removeLast()
                return setUpNext(at: now)
            }
            if method == .setup, response.status.code == 461 { return fail(.transportRefused) }
            return fail(.refused(method, response.status))
        }
        if let header = response.headers["Session"].flatMap({ RTSPSessionHeader($0) }) { session = header }
        switch state {
        case .options:
            publicMethods = response.headers["Public"] ?? ""
            begin(at: now)
        case .describing:
            guard !response.body.isEmpty else { return fail(.malformed("the answer to DESCRIBE has no body")) }
            base = Self.base(
                response.headers["Content-Base"] ?? response.headers["Content-Location"], of: configuration.url)
            state = .choosing
            events.append(.described(response.body))
        case .announcing:
            base = configuration.url.text
            state = .settingUp
            setUpNext(at: now)
        case .settingUp: setUpDone(response, at: now)
        case .starting: began(at: now)
        case .idle, .choosing, .playing, .endingSession, .over: break
        }
    }

    /// The server is there: asks for the description, or gives it.
    private mutating func begin(at now: Instant) {
        switch configuration.purpose {
        case .read:
            state = .describing
            hasAsked = true
            send(
                RTSPRequest(
                    .describe, configuration.url.text,
                    headers: RTSPHeaders([("Accept", "application/sdp")] + requirement(requiresBackChannel))),
                at: now)
            // Some never answer; the next attempt does without.
            guard requiresBackChannel, let due = answerDue else { return }
            answerDue = min(due, now.advanced(bySeconds: Self.backChannelPatienceSeconds))
        case .publish(let description, let controls):
            state = .announcing
            self.controls = controls
            clientPorts = configuration.clientPorts
            send(
                RTSPRequest(
                    .announce, configuration.url.text, headers: RTSPHeaders([("Content-Type", "application/sdp")]),
                    body: description), at: now)
        }
    }

    private mutating func retry(
        _ request: RTSPRequest, _ retries: Int, _ response: RTSPResponse, at now: Instant
    ) {
        let fields = response.headers.all("WWW-Authenticate")
        guard let found = RTSPChallenge.strongest(of: fields), configuration.url.user != nil,
            mayAnswer(found, of: fields),
            // A second refusal means wrong credentials, unless the server only wants another nonce.
            retries == 0 || found.isStale && retries < Self.maximumRetries
        else {
            // A sign of life that is refused ends nothing: media says whether the session lives.
            if state != .playing { fail(.unauthorized) }
            return
        }
        challenge = found
        nonceCount = 0
        send(request, retries: retries + 1, at: now)
    }

    /// Whoever knows Digest, be it of a kind that is not spoken here, or knew it once, does not get the password in the
    /// clear (RTSP-45).
    private func mayAnswer(_ found: RTSPChallenge, of fields: [String]) -> Bool {
        guard case .basic = found, !configuration.url.isSecure else { return true }
        if case .digest = challenge { return false }
        return !RTSPChallenge.offersDigest(fields)
    }

    // MARK: tracks

    private func requirement(_ isRequired: Bool) -> [(String, String)] {
        isRequired ? [("Require", RTSPOptionTag.backChannel)] : []
    }

    mutating func setUpNext(at now: Instant) {
        let index = transports.count
        guard controls.indices.contains(index) else {
            state = .starting
            events.append(.ready(transports))
            let method: RTSPMethod = if case .read = configuration.purpose { .play } else { .record }
            return send(
                RTSPRequest(
                    method, base, headers: RTSPHeaders([("Range", "npt=0.000-")] + requirement(hasBackChannel))),
                at: now)
        }
        guard let transport = transport(ofTrack: index) else { return fail(.transportRefused) }
        let url = Self.resolve(controls[index], base: base)
        let isBackChannel = hasBackChannel && index == controls.count - 1
        send(
            RTSPRequest(
                .setup, url, headers: RTSPHeaders([("Transport", transport.text)] + requirement(isBackChannel))),
            at: now)
    }

    /// How the track is asked for.
    private func transport(ofTrack index: Int) -> RTSPTransport? {
        var transport = RTSPTransport(configuration.delivery == .tcp ? .tcp : .udp)
        switch configuration.delivery {
        case .tcp:
            guard index < 128 else { return nil }
            transport.channels = RTSPTransport.Channels(rtp: UInt8(2 * index), rtcp: UInt8(2 * index + 1))
        case .udp:
            guard clientPorts.indices.contains(index) else { return nil }
            transport.clientPorts = clientPorts[index]
        case .multicast: transport.isMulticast = true
        }
        if case .publish = configuration.purpose { transport.mode = .record }
        return transport
    }

    private mutating func setUpDone(_ response: RTSPResponse, at now: Instant) {
        guard let asked = transport(ofTrack: transports.count) else { return fail(.transportRefused) }
        guard var chosen = Self.chosen(response.headers["Transport"], asked) else {
            return fail(.malformed("the answer to SETUP has no transport that is understood"))
        }
        switch configuration.delivery {
        case .tcp:
            // Some name the channels and forget the protocol.
            guard chosen.lower == .tcp || chosen.channels != nil else { return fail(.transportRefused) }
            if chosen.channels == nil { chosen.channels = asked.channels }
        case .udp:
            guard chosen.lower == .udp, !chosen.isMulticast, chosen.channels == nil else {
                return fail(.transportRefused)
            }
            chosen.clientPorts = asked.clientPorts
        case .multicast:
            guard chosen.lower == .udp, chosen.isMulticast else { return fail(.transportRefused) }
            guard chosen.destination != nil, chosen.ports != nil else {
                return fail(.malformed("the answer to SETUP names no multicast group"))
            }
        }
        transports.append(chosen)
        setUpNext(at: now)
    }

    /// What the server chose; a server that says nothing does what it was asked for.
    private static func chosen(_ field: String?, _ asked: RTSPTransport) -> RTSPTransport? {
        guard let field, !field.isEmpty else { return asked }
        return RTSPTransport.answer(field)
    }
}
