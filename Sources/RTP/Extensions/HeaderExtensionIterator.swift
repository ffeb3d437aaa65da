import Wire

/// Walks the elements of a packet's extension block (RFC 8285, sections 4.2 and 4.3).
///
///     one-byte form, profile 0xBEDE:            two-byte form, profile 0x100x:
///     +-+-+-+-+-+-+-+-+------------+            +---------------+---------------+------------+
///     |  id   | len-1 | len bytes  |            |       id      |      len      | len bytes  |
///
/// Id 0 is padding in both forms. In the one-byte form id 15, and id 0 with a length, end the block. An element
/// that reaches past the block ends it too and sets ``isMalformed``; what came before stays valid. Blocks with
/// other profiles have no elements.
public struct HeaderExtensionIterator: Sendable {
    /// One element: its negotiated id and where its value lies in the datagram.
    @frozen public struct Element: Hashable, Sendable {
        public var id: UInt8
        public var value: Range<Int>
    }

    private var position: Int
    private var end: Int
    private let isTwoByte: Bool
    /// Whether an element reached past the end of the block.
    public private(set) var isMalformed = false

    public static let oneByteProfile: UInt16 = 0xBEDE
    /// The two-byte form's profile; its low four bits are free for the application.
    public static let twoByteProfile: UInt16 = 0x1000

    public init(_ header: RTPHeader) {
        position = header.extensionBlock.lowerBound
        end = header.extensionBlock.upperBound
        isTwoByte = header.extensionProfile & 0xFFF0 == Self.twoByteProfile
        if !isTwoByte, header.extensionProfile != Self.oneByteProfile { end = position }
    }

    /// The next element; nil at the end. `datagram` is the packet the header was read from.
    public mutating func next(in datagram: RawSpan) -> Element? {
        let end = min(end, datagram.byteCount)
        while position < end {
            let first = datagram[position]
            position += 1
            guard first != 0 else { continue }
            let id: UInt8
            let count: Int
            if isTwoByte {
                guard position < end else { return stop(malformed: true) }
                id = first
                count = Int(datagram[position])
                position += 1
            } else {
                id = first >> 4
                guard id != 0, id != 15 else { return stop(malformed: false) }
                count = Int(first & 0x0F) + 1
            }
            guard count <= end - position else { return stop(malformed: true) }
            let value = position..<position + count
            position = value.upperBound
            return Element(id: id, value: value)
        }
        return nil
    }

    private mutating func stop(malformed: Bool) -> Element? {
        position = end
        isMalformed = isMalformed || malformed
        return nil
    }
}
