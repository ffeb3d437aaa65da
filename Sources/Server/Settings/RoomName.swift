/// What may name a room. The rules are those of MediaMTX, and words that stand in URLs beside room names are kept free.
public enum RoomName {
    public static let maximumLength = 255

    /// Words that may not be the first part of a name, because a route begins with them.
    public static let reservedFirst: Set<String> = [
        "api", "assets", "auth", "check", "favicon.ico", "get", "health", "healthz", "images", "list", "login",
        "metrics", "notifications", "player", "pprof", "ready", "robots.txt", "room", "rooms", "static", "thumbnail",
        "v1", "v2", "v3", "watch",
    ]
    /// Words that may not be any part of a name, because they end one in a URL.
    public static let reservedAnywhere: Set<String> = ["whip", "whep", "publish"]

    /// What is wrong with `name`; nil when a room may have it.
    ///
    /// A name is 1 to 255 bytes of letters, digits and `_ . ~ - : /`, and its parts between slashes are neither empty
    /// nor `.` nor `..`.
    public static func problem(with name: String) -> String? {
        let bytes = name.utf8
        guard !bytes.isEmpty else { return "a room name is not empty" }
        guard bytes.count <= maximumLength else { return "a room name has at most \(maximumLength) bytes" }
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "~"),
                UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "/"):
                continue
            default:
                return "a room name consists of letters, digits and _ . ~ - : /"
            }
        }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            guard !part.isEmpty else { return "a room name has no slash at its ends and no two in a row" }
            guard part != ".", part != ".." else { return "'.' and '..' are not parts of a room name" }
            let word = String(part)
            guard !reservedAnywhere.contains(word), index > 0 || !reservedFirst.contains(word) else {
                return "'\(word)' is a reserved word"
            }
        }
        return nil
    }
}
