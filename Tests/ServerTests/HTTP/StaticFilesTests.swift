import Foundation
import HTTP
import Server
import Testing

@Suite struct StaticFilesTests {
    private let files = StaticFiles(files: ["index.html": Array("<p>".utf8), "assets/home.js": Array("x".utf8)])

    @Test func servesByExactName() throws {
        let request = try makeRequest(.get, "/")
        let response = files.response(for: request, file: "index.html")
        #expect(response.status == 200)
        #expect(bodyText(response) == "<p>")
        #expect(response.headers["Content-Type"] == "text/html; charset=utf-8")
        #expect(response.headers["Content-Security-Policy"]?.hasPrefix("default-src 'self'") == true)
        for name in ["", "INDEX.HTML", "assets", "assets/", "../index.html", "/index.html", "assets/../index.html"] {
            #expect(files.response(for: request, file: name).status == 404)
        }
    }

    @Test func aKnownVersionIsNotSentAgain() throws {
        let tag = try #require(files.response(for: try makeRequest(.get, "/"), file: "index.html").headers["ETag"])
        let again = files.response(
            for: try makeRequest(.get, "/", headers: ["If-None-Match": "\"x\", W/\(tag)"]), file: "index.html")
        #expect(again.status == 304)
        #expect(bodyText(again).isEmpty)
        #expect(again.headers["ETag"] == tag)
    }

    @Test func handlersFindTheirFile() async throws {
        var router = Router()
        router.add(.get, "/", files.handler(file: "index.html"))
        router.add(.get, "/assets/{file...}", files.handler(parameter: "file", folder: "assets"))
        #expect(bodyText(await router.respond(to: try makeRequest(.get, "/assets/home.js"))) == "x")
        #expect(await router.respond(to: try makeRequest(.get, "/assets/other.js")).status == 404)
        #expect(bodyText(await router.respond(to: try makeRequest(.get, "/"))) == "<p>")
    }

    @Test func aFolderIsReadOnceWithoutLinksAndHiddenFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "martlet-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder.appending(path: "a/b"), withIntermediateDirectories: true)
        try Data("1".utf8).write(to: folder.appending(path: "a/b/one.css"))
        try Data("2".utf8).write(to: folder.appending(path: ".hidden"))
        try Data("3".utf8).write(to: folder.appending(path: "index.html"))
        try FileManager.default.createSymbolicLink(
            at: folder.appending(path: "link.txt"), withDestinationURL: URL(filePath: "/etc/passwd"))
        let files = StaticFiles(folder: folder.path)
        #expect(files.names == ["a/b/one.css", "index.html"])
        try FileManager.default.removeItem(at: folder.appending(path: "index.html"))
        #expect(files.response(for: try makeRequest(.get, "/"), file: "index.html").status == 200)
        #expect(StaticFiles(folder: folder.path + "/none").names.isEmpty)
    }
}
