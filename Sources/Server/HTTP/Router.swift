public import HTTP

/// Finds the handler of a request by path and method.
///
/// An unknown path is answered 404, a known one with another method 405 with `Allow`. HEAD is answered by the GET
/// handler where it has none of its own; OPTIONS, without a handler, by 200 with `Allow` and, where the route takes POST,
/// `Accept-Post`.
public struct Router: Sendable {
    /// What an SDP offer may weigh, and more than any other body here.
    public static let defaultBodyLimit = 64 * 1024

    private struct Route: Sendable {
        var pattern: RoutePattern
        var handlers: [HTTPMethod: HTTPHandler] = [:]
        var bodyLimit = Router.defaultBodyLimit
        var acceptPost: String?

        var allow: String {
            var methods = Set(handlers.keys.map(\.name)).union(["OPTIONS"])
            if handlers[.get] != nil { methods.insert("HEAD") }
            return methods.sorted().joined(separator: ", ")
        }
    }

    /// In the order of specificity.
    private var routes: [Route] = []

    public init() {}

    /// Adds a handler.
    ///
    /// - Parameters:
    ///   - pattern: `/rooms`, `/{room...}/whip`, `/{room...}/whip/{session}`. What the braces stand for is in
    ///     `request.parameters`. The most specific pattern wins: one without `...`, then more literal segments.
    ///   - bodyLimit: the largest body in bytes of any method on this pattern; the last call that gives one decides.
    ///   - acceptPost: content type told to OPTIONS.
    public mutating func add(
        _ method: HTTPMethod, _ pattern: String, bodyLimit: Int? = nil, acceptPost: String? = nil,
        _ handler: @escaping HTTPHandler
    ) {
        let pattern = RoutePattern(pattern)
        let index: Int
        if let known = routes.firstIndex(where: { $0.pattern == pattern }) {
            index = known
        } else {
            index = routes.firstIndex { $0.pattern.specificity < pattern.specificity } ?? routes.endIndex
            routes.insert(Route(pattern: pattern), at: index)
        }
        routes[index].handlers[method] = handler
        if let bodyLimit { routes[index].bodyLimit = bodyLimit }
        if let acceptPost { routes[index].acceptPost = acceptPost }
    }

    /// The largest body the route of this request takes.
    public func bodyLimit(_ request: HTTPRequest) -> Int {
        find(request.path)?.route.bodyLimit ?? Self.defaultBodyLimit
    }

    public func respond(to request: HTTPRequest) async -> HTTPResponse {
        if request.target == "*" { return HTTPResponse(status: 200) }
        guard let (route, parameters) = find(request.path) else {
            return .problem(404, detail: "There is nothing at this path.")
        }
        var request = request
        request.parameters = parameters
        if let handler = route.handlers[request.method] { return await handler(request) }
        if request.method == .head, let handler = route.handlers[.get] { return await handler(request) }
        var response =
            request.method == .options
            ? HTTPResponse(status: 200) : .problem(405, detail: "This resource does not support the method.")
        response.headers["Allow"] = route.allow
        if request.method == .options { response.headers["Accept-Post"] = route.acceptPost }
        return response
    }

    private func find(_ path: ResourcePath) -> (route: Route, parameters: [String: String])? {
        for route in routes {
            if let parameters = route.pattern.match(path.segments) { return (route, parameters) }
        }
        return nil
    }
}
