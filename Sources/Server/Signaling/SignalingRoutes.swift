import HTTP
import Loop
import SDP
import Secure
import Synchronization
import Wire

/// WHIP and WHEP over HTTP: `/{room}/whip`, `/{room}/whep` and the sessions below them.
///
/// Every request is first counted against its address, then authorized, and only then looked at (WHIP-12, WHIP-40).
final class SignalingRoutes: Sendable {
    let service: WebRTCService
    private let authorizer: any Authorizing
    let settings: @Sendable () -> ServerSettings
    let limits: RequestLimits
    private let replay = Mutex(AnswerReplay())

    init(
        service: WebRTCService, authorizer: any Authorizing, settings: @escaping @Sendable () -> ServerSettings,
        limits: RequestLimits
    ) {
        self.service = service
        self.authorizer = authorizer
        self.settings = settings
        self.limits = limits
    }

    func add(to router: inout Router) {
        for role in [PeerRole.publisher, .viewer] {
            let endpoint = "/{room...}/" + role.word
            let session = endpoint + "/{session}"
            router.add(
                .post, endpoint, bodyLimit: SDPLimits.standard.maximumBytes, acceptPost: SignalingResponses.sdpType
            ) { await self.post($0, role) }
            router.add(.options, endpoint) { await self.options($0, role, roomName: $0.parameters["room"] ?? "") }
            router.add(.get, endpoint) { self.probe($0, role) }
            router.add(.patch, session, bodyLimit: SDPLimits.standard.maximumBytes) { await self.patch($0, role) }
            router.add(.delete, session) { await self.delete($0, role) }
            router.add(.options, session) { await self.sessionOptions($0, role) }
            router.add(.get, session) { await self.probeSession($0, role) }
        }
        addExtensions(to: &router)
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
        if let refusal = await refusal(request, role, room: roomName) {
            noteRefusal(refusal, of: request, role, room: roomName)
            return refusal
        }
        guard let room = settings().room(named: roomName) else { return unknownRoom(roomName, request, role) }
        guard request.hasContentType(SignalingResponses.sdpType) else {
            let detail = "the body has to be an SDP offer with Content-Type: application/sdp"
            service.refusals.refused(role, in: roomName, from: request.remoteAddress, .negotiationFailed, detail)
            return .problem(415, detail: detail)
        }
        guard let key = AnswerReplay.Key(request, tokenDigest: tokenDigest(of: request)) else {
            return await create(request, role, room, createdStatus, idlePolicy).response
        }
        switch replay.withLock({ $0.begin(key, offer: request.body, at: MonotonicClock.now) }) {
        case .replay(let response, let sessionID):
            // A session that has ended cannot be handed out again; its key may begin another.
            if await service.registry.session(sessionID) != nil { return response }
            replay.withLock { $0.finish(key, nil, at: MonotonicClock.now) }
            return await open(
                request, role, roomName: roomName, createdStatus: createdStatus, idlePolicy: idlePolicy)
        case .pending:
            return SignalingResponses.retry(
                .problem(409, detail: "the first request with this Idempotency-Key is not answered yet"), after: 1)
        case .otherOffer:
            let detail = "this Idempotency-Key was used with another offer"
            service.refusals.refused(role, in: roomName, from: request.remoteAddress, .negotiationFailed, detail)
            return .problem(422, detail: detail)
        case .proceed:
            let (response, sessionID) = await create(request, role, room, createdStatus, idlePolicy)
            replay.withLock {
                $0.finish(key, sessionID == nil ? nil : response, sessionID: sessionID ?? "", at: MonotonicClock.now)
            }
            return response
        }
    }

    private func create(
        _ request: HTTPRequest, _ role: PeerRole, _ room: RoomSettings, _ createdStatus: Int,
        _ idlePolicy: WHEPIdlePolicy?
    ) async -> (response: HTTPResponse, sessionID: String?) {
        let signaling = SignalingRequest(
            room: room, offer: request.body, remote: request.remoteAddress, isForwarded: request.isForwarded,
            tokenDigest: tokenDigest(of: request), isBackup: request.query["backup"].map { $0 != "no" } ?? false)
        do throws(SignalingError) {
            let answer = try await role == .publisher ? service.publish(signaling) : service.view(signaling)
            let location = location(answer.session, role)
            let extensions = role == .viewer ? Self.extensionLinks(location) : []
            let response = SignalingResponses.created(
                answer, location: location, status: createdStatus, links: settings().iceServerLinks + extensions)
            return (response, answer.session.id)
        } catch {
            if case .unmatched(let reason) = error, settings().webrtcCounterOffers {
                return (await counterOffer(signaling, instead: reason), nil)
            }
            service.refusals.refused(role, in: room.room, from: request.remoteAddress, error)
            switch error {
            case .conflict, .absent:
                guard role == .viewer, idlePolicy ?? room.whepIdlePolicy == .notFound404 else { break }
                return (.problem(404, detail: "there is no such stream at the moment"), nil)
            default: break
            }
            return (SignalingResponses.problem(error), nil)
        }
    }

    private func location(_ session: WebRTCSession, _ role: PeerRole) -> String {
        location(room: session.roomName, role, session.id)
    }

    func location(room: String, _ role: PeerRole, _ id: String) -> String {
        let segments = room.split(separator: "/").map(String.init) + [role.word, id]
        return "/" + segments.map(PercentEncoding.encodeSegment).joined(separator: "/")
    }

    private func unknownRoom(_ name: String, _ request: HTTPRequest, _ role: PeerRole) -> HTTPResponse {
        // What is no name is told to the client alone.
        if let problem = RoomName.problem(with: name) { return .problem(404, detail: problem) }
        let detail = "the configuration has no room of this name (paths)"
        service.refusals.refused(role, in: name, from: request.remoteAddress, .unknownRoom, detail)
        return .problem(404, detail: detail)
    }

    /// Tells the operator of an offer that was not even looked at, when its room is one of the configuration.
    private func noteRefusal(_ response: HTTPResponse, of request: HTTPRequest, _ role: PeerRole, room: String) {
        guard settings().room(named: room) != nil else { return }
        let (reason, detail): (EndReason, String) =
            switch response.status {
            case 429:
                (
                    .limitReached,
                    "too many requests or wrong tokens (httpRequestsPerSecond, httpTokenRequestsPerSecond, "
                        + "httpFailedAuthorizationBurst)"
                )
            case 403: (.unauthorized, "the token is valid, but not for this room")
            default: (.unauthorized, "no token came, or a wrong one")
            }
        service.refusals.refused(role, in: room, from: request.remoteAddress, reason, detail)
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
            return await answer(fragment, request, session)
        }
    }

    private func delete(_ request: HTTPRequest, _ role: PeerRole) async -> HTTPResponse {
        await onSession(request, role) { session in
            guard await service.end(session.id, .deleted) else { return unknownSession() }
            return HTTPResponse(status: 200)
        }
    }

    /// Runs `body` on the session the URL names, when it is there, of this role and room, and the caller may.
    func onSession(
        _ request: HTTPRequest, _ role: PeerRole, _ body: (WebRTCSession) async -> HTTPResponse
    ) async -> HTTPResponse {
        let roomName = request.parameters["room"] ?? ""
        if let refusal = await refusal(request, role, room: roomName) { return refusal }
        let address = SessionAddress(
            id: request.parameters["session"] ?? "", role: role, room: roomName, tokenDigest: tokenDigest(of: request))
        // The registry may still have it: a session is taken out after its peer has gone.
        if let end = service.endedSessions.end(of: address) { return SignalingResponses.ended(end) }
        guard let session = await session(request, role) else {
            return role == .viewer ? await onCounterOffer(request) : unknownSession()
        }
        guard session.isOwned(by: tokenDigest(of: request)) else { return unknownSession() }
        return await body(session)
    }

    private func session(_ request: HTTPRequest, _ role: PeerRole) async -> WebRTCSession? {
        guard let session = await service.registry.session(request.parameters["session"] ?? ""),
            session.role == role, session.roomName == request.parameters["room"]
        else { return nil }
        return session
    }

    func unknownSession() -> HTTPResponse { .problem(404, detail: "there is no such session") }

    // MARK: OPTIONS, GET, HEAD

    func options(_ request: HTTPRequest, _ role: PeerRole, roomName: String) async -> HTTPResponse {
        var response = HTTPResponse(status: 200)
        response.headers["Accept-Post"] = SignalingResponses.sdpType
        response.headers["Allow"] = "GET, HEAD, OPTIONS, POST"
        // A preflight has no credentials, so it learns nothing (WHIP-38).
        guard request.headers["Access-Control-Request-Method"] == nil,
            await refusal(request, role, room: roomName) == nil
        else { return response }
        for link in settings().iceServerLinks { response.headers.add("Link", link) }
        return response
    }

    private func sessionOptions(_ request: HTTPRequest, _ role: PeerRole) async -> HTTPResponse {
        var response = await options(request, role, roomName: request.parameters["room"] ?? "")
        response.headers["Allow"] = "DELETE, GET, HEAD, OPTIONS, PATCH"
        response.headers["Accept-Patch"] = SignalingResponses.fragmentType
        return response
    }

    func probe(_ request: HTTPRequest, _ role: PeerRole) -> HTTPResponse {
        guard role == .viewer, request.method == .head else { return SignalingResponses.noContent() }
        return HTTPResponse(status: 200, headers: ["Content-Type": SignalingResponses.sdpType])
    }

    private func probeSession(_ request: HTTPRequest, _ role: PeerRole) async -> HTTPResponse {
        await onSession(request, role) { _ in SignalingResponses.noContent() }
    }

    // MARK: who may

    /// Counts the request and asks who it comes from; nil when it may go on. First of all for every request, so that
    /// whoever may not do something learns nothing about what is there.
    func refusal(_ request: HTTPRequest, _ role: PeerRole, room: String) async -> HTTPResponse? {
        if let limited = limits.admit(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        let credentials = credentials(of: request)
        let digest = tokenDigest(of: credentials)
        if digest != nil, let limited = limits.mayTryToken(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        let outcome = await authorizer.authorize(
            action: role == .publisher ? .publish : .read, path: room, protocol: role == .publisher ? .whip : .whep,
            credentials: credentials)
        switch outcome {
        case .allowed: return digest.flatMap { limits.admit(tokenDigest: $0) }.map(SignalingResponses.tooManyRequests)
        case .unauthenticated:
            if digest != nil { limits.tokenWasWrong(from: request.remoteAddress) }
            return SignalingResponses.unauthorized()
        case .forbidden: return SignalingResponses.forbidden()
        }
    }

    private func credentials(of request: HTTPRequest) -> Credentials {
        Credentials(
            bearerToken: request.headers["Authorization"].flatMap { Credentials.bearerToken(inAuthorization: $0) },
            queryToken: request.query["token"], address: request.remoteAddress)
    }

    func tokenDigest(of request: HTTPRequest) -> [UInt8]? { tokenDigest(of: credentials(of: request)) }

    /// SHA-256 of the token that counts, to bind a session to whoever made it.
    private func tokenDigest(of credentials: Credentials) -> [UInt8]? {
        let token = credentials.bearerToken ?? (settings().allowTokenInQuery ? credentials.queryToken : nil)
        return token.map { Array($0.revealed.utf8).withBytes { Digest.sha256($0) } }
    }
}

extension PeerRole {
    /// The word in URLs.
    var word: String { self == .publisher ? "whip" : "whep" }
}

extension HTTPRequest {
    /// Whether proxies stand between the client and this server.
    var isForwarded: Bool { headers.contains("X-Forwarded-For") || headers.contains("Forwarded") }
}
