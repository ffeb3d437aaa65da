/// Keys in a KeyMgmt field, and in the attribute `key-mgmt` of a description (RFC 4567, sections 3 and 4).
public enum RTSPKeyManagement {
    private static let maximumTextBytes = 4_096

    /// The keys of a field such as `prot=mikey;uri="…";data="…"`; nil when it has none that are understood.
    public static func keys(inField text: String) -> RTSPMediaKeys? {
        guard text.utf8.count <= maximumTextBytes else { return nil }
        for part in text.splitOutsideQuotes(",") {
            var isMIKEY = false
            var data = ""
            for parameter in part.splitOutsideQuotes(";") {
                let pair = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard pair.count == 2 else { continue }
                let value = pair[1].trimmingBlanks.unquoted
                switch pair[0].trimmingBlanks.lowercased() {
                case "prot": isMIKEY = value.lowercased() == "mikey"
                case "data": data = String(value)
                default: break
                }
            }
            if isMIKEY, let keys = keys(inBase64: data) { return keys }
        }
        return nil
    }

    /// The keys of an attribute's value, `mikey …`; nil when it has none that are understood.
    public static func keys(inAttribute text: String) -> RTSPMediaKeys? {
        let parts = text.trimmingBlanks.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "mikey", parts[1].utf8.count <= maximumTextBytes else {
            return nil
        }
        return keys(inBase64: String(parts[1].trimmingBlanks))
    }

    private static func keys(inBase64 text: String) -> RTSPMediaKeys? {
        guard let bytes = Base64Text.decode(text) else { return nil }
        return try? MIKEYMessage(parsing: bytes).keys
    }

    public static func field(_ message: [UInt8], url: String) -> String {
        "prot=mikey;uri=\"\(url)\";data=\"\(Base64Text.encode(message))\""
    }

    public static func attribute(_ message: [UInt8]) -> String { "mikey " + Base64Text.encode(message) }
}
