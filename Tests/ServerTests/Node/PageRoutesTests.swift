import HTTP
import Testing

@testable import Server

@Suite struct PageRoutesTests {
    static func router() -> Router {
        var router = Router()
        PageRoutes(
            files: StaticFiles(files: [
                "index.html": Array("home".utf8), "watch.html": Array("watch".utf8),
                "publish.html": Array("publish".utf8), "assets/a.js": Array("script".utf8),
            ])
        ).add(to: &router)
        return router
    }

    @Test(arguments: [
        ("/", 200, "home"), ("/cam1/", 200, "watch"), ("/live/main/", 200, "watch"), ("/cam1/publish", 200, "publish"),
        ("/assets/a.js", 200, "script"), ("/favicon.ico", 204, ""),
    ])
    func pagesAreServed(_ target: String, _ status: Int, _ body: String) async throws {
        let response = await Self.router().respond(to: try makeRequest(.get, target))
        #expect(response.status == status)
        #expect(bodyText(response) == body)
    }

    @Test(arguments: [
        ("/cam1", "/cam1/"), ("/live/main", "/live/main/"),
        ("/cam1?muted=false&token=a%20b", "/cam1/?muted=false&token=a%20b"),
    ])
    func aRoomsPageEndsInASlash(_ target: String, _ location: String) async throws {
        let response = await Self.router().respond(to: try makeRequest(.get, target))
        #expect(response.status == 302)
        #expect(response.headers["Location"] == location)
    }

    @Test(arguments: [
        "/%3Cimg%20src=x%20onerror=alert(1)%3E", "/%3Cimg%20onerror%3E/", "/%3Cscript%3E/publish", "/rooms2%22/",
        "/v3/", "/watch",
        "/assets/none.js", "/assets/..%2Findex.html2",
    ])
    func oddNamesHaveNoPage(_ target: String) async throws {
        guard let request = try? makeRequest(.get, target) else { return }
        let response = await Self.router().respond(to: request)
        #expect(response.status == 404)
        #expect(!bodyText(response).contains("<"))
        #expect(response.headers["Location"] == nil)
    }

    @Test(arguments: ["/a%0d%0aSet-Cookie:%20x", "//evil.example", "/..%2f..%2fetc", "/a%5Cb"])
    func pathsThatMeanSomethingElseAreNoPaths(_ target: String) {
        #expect(throws: ResourcePathError.self) { try makeRequest(.get, target) }
    }

    @Test func withoutPagesThereAreNoRoutes() async throws {
        var router = Router()
        PageRoutes(files: StaticFiles(files: [:])).add(to: &router)
        #expect(await router.respond(to: try makeRequest(.get, "/")).status == 404)
        #expect(PageRoutes.folder(setting: "/srv/pages", programPath: "") == "/srv/pages")
    }
}
