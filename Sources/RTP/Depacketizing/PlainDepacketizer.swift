import Codecs
import Wire

/// Formats in which every packet holds whole frames and nothing else: Opus, G.711, G.722, linear sound, and everything
/// that is passed on without being understood.
public struct PlainDepacketizer: Depacketizer {
    /// What a payload must look like.
    public enum Check: Hashable, Sendable {
        case none
        /// At most 120 ms, with a table of contents that fits (PAY-44).
        case opus
        /// A whole number of blocks of so many bytes: one sample of each channel.
        case blocks(ofBytes: Int)
    }

    private let check: Check
    public let droppedUnits: UInt64 = 0

    public init(_ check: Check = .none) { self.check = check }

    public mutating func packetsLost() {}

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        guard !payload.isEmpty else { throw .truncated }
        switch check {
        case .none: break
        case .opus: guard OpusPacket(parsing: payload) != nil else { throw .malformed }
        case .blocks(let size): guard size > 0, payload.byteCount % size == 0 else { throw .malformed }
        }
        units.append(
            AccessUnit(bytes: payload.array, parts: [0..<payload.byteCount], timestamp: timestamp, isKeyframe: true))
    }
}
