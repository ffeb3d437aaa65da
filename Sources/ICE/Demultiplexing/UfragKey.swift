import Wire

/// A username fragment of at most 16 bytes held inline, so that a datagram can be mapped to its session by a
/// dictionary look-up that allocates nothing.
///
/// Only our own fragments are keys, and those are at most 16 ice-chars (``ICECredentials/ufragLength``).
@frozen
public struct UfragKey: Hashable, Sendable {
    @usableFromInline let high: UInt64
    @usableFromInline let low: UInt64

    /// The longest fragment a key holds, in bytes.
    public static let maximumLength = 16

    /// - Returns: nil when `bytes` is empty, longer than 16 bytes or holds a zero byte.
    public init?(_ bytes: RawSpan) {
        guard (1...Self.maximumLength).contains(bytes.byteCount) else { return nil }
        var words: (high: UInt64, low: UInt64) = (0, 0)
        for offset in 0..<bytes.byteCount {
            let byte = bytes[offset]
            guard byte != 0 else { return nil }
            if offset < 8 {
                words.high |= UInt64(byte) << UInt64(56 - 8 * offset)
            } else {
                words.low |= UInt64(byte) << UInt64(120 - 8 * offset)
            }
        }
        high = words.high
        low = words.low
    }

    /// - Returns: nil when `ufrag` is empty, longer than 16 bytes or holds a zero byte.
    public init?(_ ufrag: String) {
        guard let key = Array(ufrag.utf8).withBytes({ UfragKey($0) }) else { return nil }
        self = key
    }

    /// Finds the receiver's half of USERNAME in what may be a STUN request, without checking anything else of it.
    ///
    /// For the demultiplexer, which meets datagrams of any origin: one pass over the attributes, no allocation.
    /// - Returns: nil when `datagram` is not a Binding request or has no receiver's half that fits a key.
    public static func receiver(of datagram: RawSpan) -> UfragKey? {
        guard datagram.byteCount >= STUNMessage.headerSize, datagram.byteCount <= STUNMessage.maximumSize,
            datagram.integer(at: 0, as: UInt16.self) == STUNMessage.bindingRequestType,
            datagram.integer(at: 4, as: UInt32.self) == STUNMessage.magicCookie
        else { return nil }
        var offset = STUNMessage.headerSize
        while let type = datagram.integer(at: offset, as: UInt16.self),
            let length = datagram.integer(at: offset + 2, as: UInt16.self)
        {
            let start = offset + 4
            let end = start + Int(length)
            if type == STUNAttribute.username.rawValue {
                guard end <= datagram.byteCount else { return nil }
                let limit = min(end, start + maximumLength + 1)
                for index in start..<limit where datagram[index] == UInt8(ascii: ":") {
                    return UfragKey(datagram.extracting(start..<index))
                }
                return nil
            }
            offset = (end + 3) & ~3
        }
        return nil
    }
}
