import HTTP

/// `GET /metrics` in the Prometheus text format.
struct MetricsRoutes: Sendable {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    let registry: MetricsRegistry
    let authorizer: any Authorizing
    let limits: RequestLimits

    func add(to router: inout Router) {
        router.add(.get, "/metrics") { request in
            let token = request.headers["Authorization"].flatMap { Credentials.bearerToken(inAuthorization: $0) }
            if token != nil, let limited = limits.mayTryToken(from: request.remoteAddress) {
                return SignalingResponses.tooManyRequests(limited)
            }
            let outcome = await authorizer.authorize(
                action: .metrics, path: "", protocol: .internal,
                credentials: Credentials(bearerToken: token, address: request.remoteAddress))
            if token != nil, outcome != .allowed { limits.tokenWasWrong(from: request.remoteAddress) }
            switch outcome {
            case .allowed:
                return HTTPResponse(status: 200, contentType: Self.contentType, Array(await registry.render().utf8))
            case .unauthenticated: return SignalingResponses.unauthorized()
            case .forbidden:
                return .problem(403, detail: "metrics are for this machine alone unless metricsToken is set")
            }
        }
    }
}
