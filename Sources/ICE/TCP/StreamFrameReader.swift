import Wire

/// Finds the packets in the byte stream of an ICE-TCP connection: two bytes of length, then as many of packet (RFC 4571).
///
/// Memory is bounded by ``maximumFrameSize``. A frame that lies in one piece in what was read is lent from there.
public struct StreamFrameReader: Sendable {
    /// No packet of WebRTC is longer; the length field could say 65535.
    public static let maximumFrameSize = 2_048
    /// What a frame is longer than its packet.
    public static let headerSize = 2

    public enum Outcome: Hashable, Sendable {
        /// All bytes were taken.
        case more
        /// A frame is longer than it may be. The stream cannot be read on.
        case tooLong
        /// `body` wanted no more.
        case stopped
    }

    /// What is there of the frame that is being read, header included.
    private var gathered: [UInt8] = []

    public init() {}

    /// Bytes that wait for the rest of their frame.
    public var pendingCount: Int { gathered.count }

    /// Hands each complete packet to `body`, which says whether to go on. Empty frames are passed over.
    public mutating func read(_ bytes: RawSpan, _ body: (RawSpan) -> Bool) -> Outcome {
        var offset = 0
        while offset < bytes.byteCount {
            if gathered.isEmpty, let size = bytes.integer(at: offset, as: UInt16.self) {
                guard Int(size) <= Self.maximumFrameSize else { return .tooLong }
                let end = offset + Self.headerSize + Int(size)
                if end <= bytes.byteCount {
                    let start = offset + Self.headerSize
                    offset = end
                    if size > 0, !body(bytes.extracting(start..<end)) { return .stopped }
                    continue
                }
            }
            guard gather(bytes, from: &offset) else { return .tooLong }
            guard let size = gatheredSize, gathered.count == Self.headerSize + size else { continue }
            let goesOn = size == 0 || gathered.withBytes { body($0.extracting(Self.headerSize..<$0.byteCount)) }
            gathered.removeAll(keepingCapacity: true)
            if !goesOn { return .stopped }
        }
        return .more
    }

    private var gatheredSize: Int? {
        gathered.withBytes { $0.integer(at: 0, as: UInt16.self) }.map { Int($0) }
    }

    /// Takes the rest of the header, or of the frame; false when the frame is too long.
    private mutating func gather(_ bytes: RawSpan, from offset: inout Int) -> Bool {
        let size = gatheredSize
        let wanted = Self.headerSize + (size ?? 0) - gathered.count
        let end = min(bytes.byteCount, offset + wanted)
        gathered.append(contentsOf: bytes.extracting(offset..<end))
        offset = end
        return (gatheredSize ?? 0) <= Self.maximumFrameSize
    }
}
