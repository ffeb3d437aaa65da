import HTTP
import Wire

/// `GET /v1/events`, see docs/events.md.
struct FeedRoutes: Sendable {
    let feed: EventFeed
    let authorizer: any Authorizing
    let allowsTokenInQuery: @Sendable () -> Bool
    let limits: RequestLimits

    func add(to router: inout Router) {
        router.add(.get, "/v1/events") { await listen($0) }
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
        let credentials = Credentials(bearerToken: bearer, queryToken: queried, address: request.remoteAddress)
        let token = bearer ?? (allowsTokenInQuery() ? queried : nil)
        if token != nil, let limited = limits.mayTryToken(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        // A token that opens nothing at all is a wrong one, or a guess: where reading takes tokens, it is refused; where
        // it takes none, it may be a guess at the operator's.
        let isKnown = await outcome("", credentials) != .unauthenticated
        let asOperator = await authorizer.operatorOutcome(credentials, isForwarded: request.isForwarded)
        if token != nil, !isKnown || asOperator == .unauthenticated {
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
            identity: FeedIdentity(token), isOperator: isOperator)
        switch subscription {
        case .accepted(let stream), .later(let stream): return .eventStream(stream)
        }
    }

    private func outcome(_ room: String, _ credentials: Credentials) async -> AuthorizationOutcome {
        await authorizer.authorize(action: .read, path: room, protocol: .whep, credentials: credentials)
    }
}
