/// Content types (RFC 9110, section 8.3.1).
public enum MediaType {
    /// Whether a Content-Type field's value names `type`, whatever its case and parameters.
    public static func matches(_ value: String, _ type: String) -> Bool {
        let essence = value.utf8.prefix { $0 != UInt8(ascii: ";") }
        return HTTPSyntax.equalIgnoringCase(HTTPSyntax.trimmed(essence), type.utf8)
    }

    /// The content type of a page's file by its extension.
    public static func forFile(named name: String) -> String {
        let parts = name.utf8.split(separator: UInt8(ascii: "."))
        guard parts.count > 1, let last = parts.last else { return "application/octet-stream" }
        return switch String(decoding: last.map(HTTPSyntax.lowercased), as: UTF8.self) {
        case "html", "htm": "text/html; charset=utf-8"
        case "js", "mjs": "text/javascript; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "json", "map": "application/json"
        case "svg": "image/svg+xml"
        case "png": "image/png"
        case "jpg", "jpeg": "image/jpeg"
        case "webp": "image/webp"
        case "ico": "image/x-icon"
        case "woff2": "font/woff2"
        case "wasm": "application/wasm"
        case "txt", "md": "text/plain; charset=utf-8"
        case "webmanifest": "application/manifest+json"
        default: "application/octet-stream"
        }
    }
}
