internal import FoundationEssentials
public import HTTP
internal import Loop

/// The files of a folder, read once and served from memory. A name outside it cannot be asked for: serving is a look-up.
public struct StaticFiles: Sendable {
    public static let maximumFiles = 256
    public static let maximumFileBytes = 4 * 1024 * 1024
    /// Scripts, styles and pictures from here only; connections to any media server, because a page may be told one.
    public static let defaultContentSecurityPolicy =
        "default-src 'self'; connect-src *; img-src 'self' data: blob:; media-src 'self' blob:; "
        + "base-uri 'none'; form-action 'self'; object-src 'none'"

    private struct File: Sendable {
        var bytes: [UInt8]
        var contentType: String
        var entityTag: String
    }

    /// By path relative to the folder, such as `assets/home.js`.
    private var files: [String: File] = [:]
    public var contentSecurityPolicy = StaticFiles.defaultContentSecurityPolicy

    /// Serves the given files, by their paths relative to the root.
    public init(files: [String: [UInt8]]) {
        for (name, bytes) in files { add(name, bytes) }
    }

    /// Reads a folder and the folders in it, on the calling thread. Hidden files, links, and what is over
    /// ``maximumFileBytes`` or ``maximumFiles`` are left out; a folder that is not there is empty.
    public init(folder: String) {
        read(folder, prefix: "", depth: 0)
    }

    public var names: [String] { files.keys.sorted() }

    public func contains(_ name: String) -> Bool { files[name] != nil }

    /// Answers GET and HEAD for a file; 304 when the client has it, 404 when there is none.
    public func response(for request: HTTPRequest, file name: String) -> HTTPResponse {
        guard let file = files[name] else { return .problem(404, detail: "There is nothing at this path.") }
        var response = HTTPResponse(status: 200, contentType: file.contentType, file.bytes)
        response.headers["ETag"] = file.entityTag
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Content-Security-Policy"] = contentSecurityPolicy
        response.headers["Referrer-Policy"] = "no-referrer"
        if let known = request.headers["If-None-Match"], EntityTag.noneMatchApplies(known, to: file.entityTag) {
            response.status = 304
            response.body = .none
        }
        return response
    }

    /// A handler that always serves one file.
    public func handler(file name: String) -> HTTPHandler {
        { request in response(for: request, file: name) }
    }

    /// A handler that serves the file named by a parameter of its route, below `folder`: `/assets/{file...}`.
    public func handler(parameter: String, folder: String = "") -> HTTPHandler {
        { request in
            let name = request.parameters[parameter] ?? ""
            return response(for: request, file: folder.isEmpty ? name : folder + "/" + name)
        }
    }

    private mutating func add(_ name: String, _ bytes: [UInt8]) {
        guard files.count < Self.maximumFiles, bytes.count <= Self.maximumFileBytes else { return }
        // FNV-1a. The tag tells versions of the operator's own files apart; nobody gains by a collision.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        files[name] = File(
            bytes: bytes, contentType: MediaType.forFile(named: name),
            entityTag: "\"\(String(hash, radix: 16))-\(bytes.count)\"")
    }

    private mutating func read(_ folder: String, prefix: String, depth: Int) {
        guard depth < 8, let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return }
        for name in names.sorted() where !name.hasPrefix(".") {
            let path = folder + "/" + name
            guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { continue }
            switch attributes[.type] as? FileAttributeType {
            case .typeDirectory: read(path, prefix: prefix + name + "/", depth: depth + 1)
            case .typeRegular:
                guard let contents = try? FileReader.readNow(path, maximumSize: Self.maximumFileBytes) else { continue }
                add(prefix + name, contents)
            default: continue
            }
        }
    }
}
