import Wire

/// Reads a message's fields in their order, out of bytes that every call lends anew.
struct ConversionFields {
    private var offset = 2
    let kind: UInt8

    init(_ message: RawSpan) throws(ConversionError) {
        guard message.byteCount <= ConversionMessages.maximumSize else { throw .tooLong }
        guard let version = message.integer(at: 0, as: UInt8.self) else { throw .truncated }
        guard version == ConversionMessages.version else { throw .version(version) }
        guard let kind = message.integer(at: 1, as: UInt8.self) else { throw .truncated }
        self.kind = kind
    }

    mutating func read<T: FixedWidthInteger & BitwiseCopyable>(
        _ bytes: RawSpan, as _: T.Type = T.self
    ) throws(ConversionError) -> T {
        guard let value = bytes.integer(at: offset, as: T.self) else { throw .truncated }
        offset += MemoryLayout<T>.size
        return value
    }

    mutating func timestamp(_ bytes: RawSpan) throws(ConversionError) -> Int64 {
        let value = try read(bytes, as: Int64.self)
        try checkTimestamp(value)
        return value
    }

    /// - Parameter count: nil for all that is left.
    mutating func array(_ bytes: RawSpan, _ count: Int? = nil) throws(ConversionError) -> [UInt8] {
        let count = count ?? bytes.byteCount - offset
        guard count >= 0, count <= bytes.byteCount - offset else { throw .truncated }
        defer { offset += count }
        return bytes.array(offset..<offset + count)
    }

    mutating func text(_ bytes: RawSpan, _ count: Int? = nil) throws(ConversionError) -> String {
        let text = try array(bytes, count)
        guard text.count <= ConversionMessages.maximumTextSize else { throw .outOfRange(.text) }
        return String(decoding: text, as: UTF8.self)
    }

    func finish(_ bytes: RawSpan) throws(ConversionError) {
        guard offset == bytes.byteCount else { throw .tooLong }
    }
}

func checkTimestamp(_ value: Int64) throws(ConversionError) {
    let limit = ConversionMessages.maximumTimestamp
    guard (-limit...limit).contains(value) else { throw .outOfRange(.timestamp) }
}

/// The beginning of a message.
func conversionHeader(_ kind: UInt8) -> [UInt8] { [ConversionMessages.version, kind] }

func finishedMessage(_ bytes: [UInt8]) throws(ConversionError) -> [UInt8] {
    guard bytes.count <= ConversionMessages.maximumSize else { throw .tooLong }
    return bytes
}

/// The text's bytes, cut at a character's end where it is too long.
func boundedText(_ text: String) -> [UInt8] {
    var bytes = Array(text.utf8)
    guard bytes.count > ConversionMessages.maximumTextSize else { return bytes }
    var end = ConversionMessages.maximumTextSize
    while end > 0, bytes[end] & 0xC0 == 0x80 { end -= 1 }
    bytes.removeSubrange(end...)
    return bytes
}
