import Wire

/// Takes the payloads of one stream in the order of their sequence numbers and puts access units together.
///
/// What is incomplete is dropped and counted, never given out (PAY-4): the caller says where packets are missing. All
/// memory is bounded by ``DepacketizerLimits``.
public protocol Depacketizer: Sendable {
    /// Takes the payload of the packet that follows the one before without a gap.
    ///
    /// - Parameter units: gets the access units that are complete now.
    /// - Throws: what is wrong with this payload. The access unit that it belongs to is dropped; the caller goes on.
    mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError)

    /// Packets are missing between the last one and the next.
    mutating func packetsLost()

    /// Access units that were begun and not given out.
    var droppedUnits: UInt64 { get }
}

/// What is wrong with a payload.
public enum DepacketizationError: Error, Hashable, Sendable {
    /// A size or header reaches past the payload's end.
    case truncated
    /// A field holds what the format forbids.
    case malformed
    /// A structure that no sender of live media uses: STAP-B, MTAP, FU-B, PACI, interleaved access units.
    case unsupported
    /// The middle or end of something whose beginning was not there.
    case orphanedFragment
    /// An access unit grew beyond the limits.
    case tooLarge
}

/// How large an access unit may become (PAY-6).
public struct DepacketizerLimits: Hashable, Sendable {
    public var bytes: Int
    public var parts: Int

    public static let video = DepacketizerLimits(bytes: 8 << 20, parts: 1_024)
    public static let audio = DepacketizerLimits(bytes: 256 << 10, parts: 64)

    public init(bytes: Int, parts: Int) {
        self.bytes = bytes
        self.parts = parts
    }
}
