import HTTP
import Server
import Testing
import Wire

func makeRequest(
    _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], body: [UInt8] = []
) throws -> HTTPRequest {
    let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
    return HTTPRequest(
        method: method, target: target, path: try ResourcePath(decoding: parts.first ?? "/"),
        query: HTTPQuery(decoding: parts.count > 1 ? parts[1] : ""), headers: headers, body: body,
        remoteAddress: SocketAddress(ipv4: 0xC000_0201, port: 1))
}

func bodyText(_ response: HTTPResponse) -> String {
    guard case .bytes(let bytes) = response.body else { return "" }
    return String(decoding: bytes, as: UTF8.self)
}

@Suite struct RouterTests {
    /// Answers with the pattern and the parameters it found.
    private static func router() -> Router {
        var router = Router()
        func add(_ method: HTTPMethod, _ pattern: String, limit: Int? = nil, acceptPost: String? = nil) {
            router.add(method, pattern, bodyLimit: limit, acceptPost: acceptPost) { request in
                let parameters = request.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                return .text(([method.name, pattern] + parameters).joined(separator: " "))
            }
        }
        add(.get, "/{room...}")
        add(.get, "/")
        add(.post, "/{room...}/whip", acceptPost: "application/sdp")
        add(.patch, "/{room...}/whip/{session}", limit: 1_000)
        add(.delete, "/{room...}/whip/{session}")
        add(.post, "/{room...}/whep")
        add(.delete, "/{room...}/whep/{session}")
        add(.post, "/whip", limit: 10)
        add(.get, "/rooms")
        add(.get, "/assets/{file...}")
        add(.get, "/v3/paths/{name}")
        return router
    }

    @Test(arguments: [
        ("GET", "/", "GET /"), ("GET", "/rooms", "GET /rooms"), ("GET", "/rooms/", "GET /rooms"),
        ("POST", "/whip", "POST /whip"), ("POST", "/cam1/whip", "POST /{room...}/whip room=cam1"),
        ("POST", "/live/main/whip", "POST /{room...}/whip room=live/main"),
        ("POST", "/live%2Fmain/whip", "POST /{room...}/whip room=live/main"),
        ("POST", "/whip/whip", "POST /{room...}/whip room=whip"),
        ("DELETE", "/a/b/whip/s1", "DELETE /{room...}/whip/{session} room=a/b session=s1"),
        ("PATCH", "/a/whip/whip/s1", "PATCH /{room...}/whip/{session} room=a/whip session=s1"),
        ("DELETE", "/a/whep/s%201", "DELETE /{room...}/whep/{session} room=a session=s 1"),
        ("GET", "/cam1", "GET /{room...} room=cam1"), ("GET", "/a/b/c", "GET /{room...} room=a/b/c"),
        ("GET", "/assets/a/b.js", "GET /assets/{file...} file=a/b.js"),
        ("GET", "/v3/paths/x", "GET /v3/paths/{name} name=x"), ("HEAD", "/rooms", "GET /rooms"),
    ])
    func finds(_ method: String, _ target: String, _ expected: String) async throws {
        let response = await Self.router().respond(to: try makeRequest(HTTPMethod(method), target))
        #expect(bodyText(response) == expected)
    }

    @Test func otherMethodsAreRefusedWithTheOnesThatWork() async throws {
        let response = await Self.router().respond(to: try makeRequest(.put, "/a/whip/1"))
        #expect(response.status == 405)
        #expect(response.headers["Allow"] == "DELETE, OPTIONS, PATCH")
        #expect(response.headers["Content-Type"] == "application/problem+json")
        let rooms = await Self.router().respond(to: try makeRequest(HTTPMethod("get"), "/rooms"))
        #expect(rooms.headers["Allow"] == "GET, HEAD, OPTIONS")
    }

    @Test func unknownPathsAreNotFound() async throws {
        var router = Router()
        router.add(.get, "/rooms") { _ in .text("") }
        #expect(await router.respond(to: try makeRequest(.get, "/room")).status == 404)
        #expect(await router.respond(to: try makeRequest(.get, "/rooms/x")).status == 404)
        #expect(await router.respond(to: try makeRequest(.get, "/")).status == 404)
    }

    @Test func optionsSayWhatAPostMayCarry() async throws {
        let response = await Self.router().respond(to: try makeRequest(.options, "/a/whip"))
        #expect(response.status == 200)
        #expect(response.headers["Accept-Post"] == "application/sdp")
        #expect(response.headers["Allow"] == "OPTIONS, POST")
        #expect(await Self.router().respond(to: try makeRequest(.options, "*")).status == 200)
    }

    @Test func bodyLimitsBelongToRoutes() throws {
        let router = Self.router()
        #expect(router.bodyLimit(try makeRequest(.post, "/whip")) == 10)
        #expect(router.bodyLimit(try makeRequest(.delete, "/a/whip/1")) == 1_000)
        #expect(router.bodyLimit(try makeRequest(.post, "/a/whip")) == Router.defaultBodyLimit)
        #expect(router.bodyLimit(try makeRequest(.post, "/")) == Router.defaultBodyLimit)
    }
}

@Suite struct ResponsePolicyTests {
    private func apply(_ status: Int, _ method: HTTPMethod, origin: String? = nil) throws -> HTTPHeaders {
        var response = HTTPResponse(status: status)
        ResponsePolicy().apply(to: &response, request: try makeRequest(method, "/"))
        return response.headers
    }

    @Test(arguments: [
        (200, "GET", false), (201, "POST", true), (204, "PATCH", true), (404, "GET", true), (503, "POST", true),
    ])
    func whatMustNotBeKeptIsMarked(_ status: Int, _ method: String, _ isVolatile: Bool) throws {
        #expect(try apply(status, HTTPMethod(method))["Cache-Control"] == (isVolatile ? "no-store" : nil))
    }

    @Test func everythingCarriesCORSAndNosniff() throws {
        for status in [200, 404] {
            let headers = try apply(status, .get)
            #expect(headers["Access-Control-Allow-Origin"] == "*")
            #expect(headers["Access-Control-Expose-Headers"]?.hasPrefix("Location, ETag, Link") == true)
            #expect(headers["X-Content-Type-Options"] == "nosniff")
            #expect(headers["Access-Control-Allow-Methods"] == nil)
        }
        let preflight = try apply(200, .options)
        #expect(preflight["Access-Control-Allow-Methods"] == "OPTIONS, GET, HEAD, POST, PATCH, DELETE")
        #expect(preflight["Access-Control-Allow-Headers"] == "Authorization, Content-Type, If-Match, Last-Event-ID")
    }
}
