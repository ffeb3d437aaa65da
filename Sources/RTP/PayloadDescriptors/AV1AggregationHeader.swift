import Codecs
public import Wire

/// The AV1 aggregation header, first byte of each payload (AV1 RTP payload format, section 4.4).
public struct AV1AggregationHeader: Hashable, Sendable {
    /// Z: the first element continues an OBU of the packet before.
    public var continuesUnit: Bool
    /// Y: the last element goes on in the next packet.
    public var goesOn: Bool
    /// W: how many elements there are, the last without a size; 0 when every element has a size.
    public var elementCount: UInt8
    /// N: the first packet of a new coded video sequence, so decoding can begin here.
    public var startsSequence: Bool

    public static let size = 1

    /// - Throws: ``WireError`` for an empty payload and for a sequence that would begin in the middle of an OBU.
    public init(parsing payload: RawSpan) throws(WireError) {
        guard let first = payload.integer(at: 0, as: UInt8.self) else { throw .truncated(at: 0) }
        continuesUnit = first & 0x80 != 0
        goesOn = first & 0x40 != 0
        elementCount = first >> 4 & 0x03
        startsSequence = first & 0x08 != 0
        guard !(continuesUnit && startsSequence) else { throw .malformed("AV1 aggregation header") }
    }
}

/// Walks the OBU elements of one AV1 payload, each a whole OBU or a part of one.
public struct AV1Elements: Sendable {
    private let declared: UInt8
    private var offset = AV1AggregationHeader.size
    private var count = 0
    /// Set when the walk ended because an element reaches past the payload or one of those declared is missing.
    public private(set) var isMalformed = false

    /// A payload larger than any datagram could not hold more.
    private static let maximumElements = 1024

    public init(_ header: AV1AggregationHeader) { declared = header.elementCount }

    /// The next element, as offsets into `payload`, which must be the same at each call; nil at the end.
    public mutating func next(in payload: RawSpan) -> Range<Int>? {
        guard !isMalformed else { return nil }
        if declared == 0 ? offset >= payload.byteCount : count >= Int(declared) { return nil }
        var end = payload.byteCount
        if declared == 0 || count + 1 < Int(declared) {
            guard let size = LEB128(parsing: payload, at: offset), size.value <= UInt64(payload.byteCount) else {
                isMalformed = true
                return nil
            }
            offset += size.size
            end = offset + Int(size.value)
        }
        guard offset <= end, end <= payload.byteCount, count < Self.maximumElements else {
            isMalformed = true
            return nil
        }
        let element = offset..<end
        offset = end
        count += 1
        return element
    }
}
