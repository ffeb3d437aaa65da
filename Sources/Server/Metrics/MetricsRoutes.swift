import HTTP

/// `GET /metrics` in the Prometheus text format.
struct MetricsRoutes: Sendable {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    let registry: MetricsRegistry
    let authorizer: any Authorizing

    func add(to router: inout Router) {
        router.add(.get, "/metrics") { request in
            let outcome = await authorizer.authorize(
                action: .metrics, path: "", protocol: .internal,
                credentials: Credentials(
                    bearerToken: request.headers["Authorization"].flatMap {
                        Credentials.bearerToken(inAuthorization: $0)
                    }, address: request.remoteAddress))
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
