import HTTP
import Wire

/// `GET /v1/events`, see docs/events.md.
struct FeedRoutes: Sendable {
    let feed: EventFeed
    let authorizer: any Authorizing
    let allowsTokenInQuery: @Sendable () -> Bool
    let limits: RequestLimits
    var tokens = FeedTokens()

    func add(to router: inout Router) {
        router.add(.get, "/v1/events") { await listen($0) }
        router.add(.post, "/v1/events/token") { await giveToken($0) }
    }

    /// `POST /v1/events/token`: for a token in the header, one that may stand in the feed's URL.
    private func giveToken(_ request: HTTPRequest) async -> HTTPResponse {
        if let limited = limits.admit(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        guard let bearer = request.headers["Authorization"].flatMap({ Credentials.bearerToken(inAuthorization: $0) })
        else { return SignalingResponses.unauthorized() }
        if let limited = limits.mayTryToken(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        let credentials = Credentials(bearerToken: bearer, address: request.remoteAddress)
        let isKnown = await outcome("", credentials) != .unauthenticated
        if await isGuess(credentials, request, isKnown: isKnown) { limits.tokenWasWrong(from: request.remoteAddress) }
        guard isKnown else { return SignalingResponses.unauthorized() }
        guard let made = tokens.make(for: bearer) else {
            return SignalingResponses.retry(
                .problem(503, detail: "too many tokens wait to be used; try again"),
                after: Int(FeedTokens.lifetimeSeconds))
        }
        var json = JSONWriter()
        json.object {
            $0.member("token", made)
            $0.member("expiresIn", Int(FeedTokens.lifetimeSeconds))
        }
        var response = HTTPResponse.json(json.bytes, status: 201)
        response.headers["Cache-Control"] = "no-store"
        return response
    }

    /// Whether a token opens nothing at all, which makes it a wrong one, or a guess: where reading takes tokens, it is refused;
    /// where it takes none, it may be a guess at the operator's.
    private func isGuess(_ credentials: Credentials, _ request: HTTPRequest, isKnown: Bool) async -> Bool {
        guard isKnown else { return true }
        return await authorizer.operatorOutcome(credentials, isForwarded: request.isForwarded) == .unauthenticated
    }

    private func listen(_ request: HTTPRequest) async -> HTTPResponse {
        if let limited = limits.admit(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        guard let filter = RoomFilter(request.query.values("room")) else {
            return .problem(
                400,
                detail: "room= takes the name of a room or a prefix such as live/*, at most "
                    + "\(RoomFilter.maximumItems) times")
        }
        let bearer = request.headers["Authorization"].flatMap { Credentials.bearerToken(inAuthorization: $0) }
        let queried = request.query["token"]
        guard bearer == nil, let queried, FeedTokens.isOne(queried) else {
            let credentials = Credentials(bearerToken: bearer, queryToken: queried, address: request.remoteAddress)
            return await listen(
                request, filter, credentials, token: bearer ?? (allowsTokenInQuery() ? queried : nil))
        }
        if let limited = limits.mayTryToken(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        guard let token = tokens.use(queried) else {
            // Not counted as a guess: pages come back by themselves with one that is too old, and nobody guesses 128 bits.
            let credentials = Credentials(queryToken: queried, address: request.remoteAddress)
            guard allowsTokenInQuery(), await outcome("", credentials) != .unauthenticated else {
                return SignalingResponses.unauthorized()
            }
            return await listen(request, filter, credentials, token: queried)
        }
        let credentials = Credentials(bearerToken: token, address: request.remoteAddress)
        let ended: @Sendable () -> Void = { [tokens] in tokens.ended(queried) }
        let response = await listen(request, filter, credentials, token: token, onEnd: ended)
        // Only a feed that was opened tells its end.
        if response.status != 200 { ended() }
        return response
    }

    /// - Parameters:
    ///   - token: of `credentials`, where one counts.
    ///   - onEnd: called when a feed that was opened is over.
    private func listen(
        _ request: HTTPRequest, _ filter: RoomFilter, _ credentials: Credentials, token: String?,
        onEnd: @escaping @Sendable () -> Void = {}
    ) async -> HTTPResponse {
        if token != nil, let limited = limits.mayTryToken(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        let isKnown = await outcome("", credentials) != .unauthenticated
        let asOperator = await authorizer.operatorOutcome(credentials, isForwarded: request.isForwarded)
        if token != nil, await isGuess(credentials, request, isKnown: isKnown) {
            limits.tokenWasWrong(from: request.remoteAddress)
        }
        guard token == nil || isKnown else { return SignalingResponses.unauthorized() }
        let isOperator = asOperator == .allowed
        // Rooms asked for by name are answered for; of the others a client sees those it may. Who brings the operator's
        // token may ask for any, and is told no more than failures of those it may not watch.
        for room in filter.names where !(isOperator && token != nil) {
            switch await outcome(room, credentials) {
            case .allowed: break
            case .unauthenticated: return SignalingResponses.unauthorized()
            case .forbidden: return SignalingResponses.forbidden()
            }
        }
        // The header is newer than the URL, which a browser keeps when it reconnects.
        let lastEventID = request.headers["Last-Event-ID"] ?? request.query["lastEventId"]
        let subscription = await feed.subscribe(
            after: lastEventID.flatMap { $0.isEmpty ? nil : $0 }, filter: filter, credentials: credentials,
            identity: FeedIdentity(token), isOperator: isOperator, onEnd: onEnd)
        switch subscription {
        case .accepted(let stream), .later(let stream): return .eventStream(stream)
        }
    }

    private func outcome(_ room: String, _ credentials: Credentials) async -> AuthorizationOutcome {
        await authorizer.authorize(action: .read, path: room, protocol: .whep, credentials: credentials)
    }
}
