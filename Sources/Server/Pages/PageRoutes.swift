import HTTP
import Wire

/// The web pages: the home page, a watch and a publish page for every room, and what they load.
struct PageRoutes: Sendable {
    let files: StaticFiles

    /// The folder of the pages: the setting, else `web-player` in the working directory or beside the program.
    static func folder(setting: String, programPath: String) -> String {
        if !setting.isEmpty { return setting }
        let program = programPath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        let candidates = ["web-player", program.joined(separator: "/") + "/web-player"]
        return candidates.first { StaticFiles(folder: $0).contains("index.html") } ?? candidates[0]
    }

    func add(to router: inout Router) {
        guard files.contains("index.html") else { return }
        router.add(.get, "/", files.handler(file: "index.html"))
        router.add(.get, "/assets/{file...}", files.handler(parameter: "file", folder: "assets"))
        router.add(.get, "/favicon.ico") { _ in HTTPResponse(status: 204) }
        router.add(.get, "/{room...}/publish", page("publish.html"))
        router.add(.get, "/{room...}") { request in
            if let response = noRoom(request) { return response }
            // Relative addresses in the page count from the room, so the slash is part of its URL.
            guard request.path.hasTrailingSlash else {
                return HTTPResponse(status: 302, headers: ["Location": request.path.encoded + "/"])
            }
            return page("watch.html", request)
        }
    }

    private func page(_ name: String) -> HTTPHandler { { request in page(name, request) } }

    private func page(_ name: String, _ request: HTTPRequest) -> HTTPResponse {
        noRoom(request) ?? files.response(for: request, file: name)
    }

    /// The answer where the path cannot be a room's.
    private func noRoom(_ request: HTTPRequest) -> HTTPResponse? {
        RoomName.problem(with: request.parameters["room"] ?? "").map { .problem(404, detail: $0) }
    }
}
