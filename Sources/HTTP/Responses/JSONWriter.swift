/// Writes JSON (RFC 8259) into one array, commas included.
///
///     var json = JSONWriter()
///     json.object {
///         $0.member("name", room.name)
///         $0.member("viewers", 3)
///         $0.member("tracks") { $0.array { for track in tracks { $0.value(track.kind) } } }
///     }
///
/// The shape is the caller's: a member written outside an object is written all the same.
public struct JSONWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    public init() {}

    public mutating func object(_ body: (inout JSONWriter) -> Void) { nest("{", "}", body) }

    public mutating func array(_ body: (inout JSONWriter) -> Void) { nest("[", "]", body) }

    /// A member whose value `body` writes, exactly one.
    public mutating func member(_ name: String, _ body: (inout JSONWriter) -> Void) {
        value(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
        body(&self)
        needsComma = true
    }

    public mutating func member(_ name: String, _ text: String?) { member(name) { $0.value(text) } }
    public mutating func member(_ name: String, _ flag: Bool) { member(name) { $0.value(flag) } }
    public mutating func member(_ name: String, _ number: some BinaryInteger) { member(name) { $0.value(number) } }
    public mutating func member(_ name: String, _ number: Double) { member(name) { $0.value(number) } }

    /// A string, or null.
    public mutating func value(_ text: String?) {
        separate()
        if let text { Self.appendString(text, to: &bytes) } else { bytes += "null".utf8 }
    }

    public mutating func value(_ flag: Bool) { raw(flag ? "true" : "false") }

    public mutating func value(_ number: some BinaryInteger) { raw(number.description) }

    /// Null for values JSON has no words for: infinities and NaN.
    public mutating func value(_ number: Double) { raw(number.isFinite ? number.description : "null") }

    /// Appends `text` quoted and escaped. Everything but quote, backslash and control characters is UTF-8 as it is.
    public static func appendString(_ text: String, to output: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        output.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
            case 0x0A: output += "\\n".utf8
            case 0x0D: output += "\\r".utf8
            case 0x09: output += "\\t".utf8
            case 0..<0x20, 0x7F:
                output += "\\u00".utf8
                output += [digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }

    private mutating func raw(_ text: String) {
        separate()
        bytes += text.utf8
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func nest(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) -> Void) {
        separate()
        bytes.append(UInt8(ascii: open))
        needsComma = false
        body(&self)
        bytes.append(UInt8(ascii: close))
        needsComma = true
    }
}
