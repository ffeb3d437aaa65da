import HTTP
import Wire

/// `GET /check`: what may keep WebRTC from working, see docs/check.md.
struct CheckRoutes: Sendable {
    /// Repeats the overall status, for programs that do not read the body.
    static let statusField = "Martlet-Check"

    let check: SelfCheck
    let authorizer: any Authorizing
    let limits: RequestLimits

    func add(to router: inout Router) {
        router.add(.get, "/check") { await respond($0) }
    }

    private func respond(_ request: HTTPRequest) async -> HTTPResponse {
        if let limited = limits.admit(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        let token = request.headers["Authorization"].flatMap { Credentials.bearerToken(inAuthorization: $0) }
        if token != nil, let limited = limits.mayTryToken(from: request.remoteAddress) {
            return SignalingResponses.tooManyRequests(limited)
        }
        let credentials = Credentials(bearerToken: token, address: request.remoteAddress)
        let isOperator = await authorizer.isOperator(credentials, isForwarded: request.isForwarded)
        if token != nil, !isOperator {
            limits.tokenWasWrong(from: request.remoteAddress)
            return SignalingResponses.unauthorized()
        }
        let shown = await check.report(
            for: request.remoteAddress, isForwarded: request.isForwarded, isSecure: request.isSecure,
            isOperator: isOperator)
        var response =
            Self.wantsJSON(request) ? HTTPResponse.json(shown.json) : HTTPResponse.text(shown.text)
        response.headers["Cache-Control"] = "no-store"
        response.headers[Self.statusField] = shown.status.rawValue
        return response
    }

    /// Browsers and curl get text, programs that ask for it JSON.
    static func wantsJSON(_ request: HTTPRequest) -> Bool {
        request.headers.listElements("Accept").contains { MediaType.matches($0, "application/json") }
    }
}
