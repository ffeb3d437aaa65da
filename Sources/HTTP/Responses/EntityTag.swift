/// Comparing entity tags with If-Match and If-None-Match (RFC 9110, sections 8.8.3 and 13.1).
public enum EntityTag {
    /// Whether an If-None-Match field's value lists `tag` (with its quotes) or is `*`. Weak comparison.
    public static func noneMatchApplies(_ value: String, to tag: String) -> Bool {
        elements(value).contains { $0 == "*" || opaque($0) == opaque(tag) }
    }

    /// Whether an If-Match field's value lists `tag` (with its quotes) or is `*`. Strong comparison. Clients also send
    /// the star in quotes, which is taken for the star.
    public static func matchHolds(_ value: String, for tag: String) -> Bool {
        elements(value).contains { $0 == "*" || $0 == "\"*\"" || ($0 == tag && !tag.hasPrefix("W/")) }
    }

    private static func opaque(_ tag: String) -> Substring { tag.hasPrefix("W/") ? tag.dropFirst(2) : tag[...] }

    /// Splits at commas outside quotes.
    private static func elements(_ value: String) -> [String] {
        var isQuoted = false
        let parts = value.utf8.split { byte in
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            return byte == UInt8(ascii: ",") && !isQuoted
        }
        return parts.map { String(decoding: HTTPSyntax.trimmed($0), as: UTF8.self) }
    }
}
