public import Wire

/// Counts what arrives of one source and makes its report blocks (RFC 3550, sections 6.4.1, A.1, A.3 and A.8).
///
/// Only authenticated packets are reported to it, so a source is valid from its first packet on: there is no probation.
public struct ReceiveStatistics: Sendable {
    public enum Outcome: Hashable, Sendable {
        /// A new packet; `isLate` when it came after one with a higher number.
        case accepted(isLate: Bool)
        /// The number was seen before. Counted as received, as RFC 3550 has it.
        case duplicate
        /// Far away from what was expected; the next packet decides whether the source restarted.
        case unexpected
        /// The source continues from another number; loss is counted from here on.
        case restarted
    }

    /// Larger jumps forward are a restart of the source (RFC 3550, appendix A.1).
    public static let maximumDropout: Int64 = 3000
    private static let cumulativeRange: ClosedRange<Int64> = -0x80_0000...0x7F_FFFF

    public private(set) var receivedPackets: UInt64 = 0
    public private(set) var receivedBytes: UInt64 = 0
    public private(set) var duplicatePackets: UInt64 = 0
    public private(set) var latePackets: UInt64 = 0

    private let clockRate: Int64
    private var window = PacketWindow(after: 0)
    private var base: Int64 = 0
    private var hasStarted = false
    /// Packets since `base`, duplicates included.
    private var receivedSinceBase: Int64 = 0
    private var expectedAtReport: Int64 = 0
    private var receivedAtReport: Int64 = 0
    private var confirming: UInt16?

    /// Interarrival jitter in sixteenths of a tick.
    private var scaledJitter: Int64 = 0
    private var lastTimestamp: UInt32 = 0
    private var lastArrival = Instant(nanoseconds: 0)

    private var lastSenderReport: UInt32 = 0
    private var lastSenderReportArrival = Instant(nanoseconds: 0)

    public init(clockRate: UInt32) { self.clockRate = Int64(max(clockRate, 1)) }

    /// A packet of `byteCount` payload bytes came.
    public mutating func received(
        sequenceNumber: UInt16, timestamp: UInt32, byteCount: Int, at arrival: Instant
    ) -> Outcome {
        guard hasStarted else {
            start(at: sequenceNumber)
            count(byteCount)
            noteTransit(timestamp, arrival, isFirst: true)
            return .accepted(isLate: false)
        }
        let difference = Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: window.highest))
        let number = window.highest + Int64(difference)
        if number > window.highest, number - window.highest <= Self.maximumDropout {
            window.advance(to: number)
            _ = window.markSeen(number)
            confirming = nil
            count(byteCount)
            noteTransit(timestamp, arrival, isFirst: false)
            return .accepted(isLate: false)
        }
        guard window.covers(number) else {
            guard sequenceNumber == confirming else {
                confirming = sequenceNumber &+ 1
                return .unexpected
            }
            start(at: sequenceNumber)
            count(byteCount)
            noteTransit(timestamp, arrival, isFirst: true)
            return .restarted
        }
        confirming = nil
        count(byteCount)
        guard window.markSeen(number) else {
            duplicatePackets &+= 1
            return .duplicate
        }
        // From before the first packet: what was expected grows with it.
        if number < base { base = number }
        latePackets &+= 1
        return .accepted(isLate: true)
    }

    /// A packet of the source came by way of a retransmission on another SSRC. It does not count as received: what
    /// the network lost stays lost in reports.
    ///
    /// - Returns: whether it is new.
    public mutating func restored(sequenceNumber: UInt16) -> Bool {
        guard hasStarted else { return false }
        let difference = Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: window.highest))
        let number = window.highest + Int64(difference)
        if number > window.highest {
            guard number - window.highest <= Self.maximumDropout else { return false }
            window.advance(to: number)
        }
        return window.covers(number) && window.markSeen(number)
    }

    /// A sender report of the source came.
    public mutating func senderReportReceived(ntp: UInt64, at arrival: Instant) {
        lastSenderReport = UInt32(truncatingIfNeeded: ntp >> 16)
        lastSenderReportArrival = arrival
    }

    /// Packets expected and not received; negative when duplicates outnumber losses.
    public var cumulativeLost: Int64 { hasStarted ? expected - receivedSinceBase : 0 }

    /// Interarrival jitter in units of the clock.
    public var jitter: UInt32 { UInt32(clamping: scaledJitter >> 4) }

    /// The highest sequence number with the count of its wraps above it.
    public var extendedHighestSequenceNumber: UInt32 { UInt32(truncatingIfNeeded: window.highest - 65_536) }

    /// The report block for now; the next one's fraction is counted from here. Nil before the first packet.
    public mutating func makeReportBlock(ssrc: UInt32, at now: Instant) -> ReportBlock? {
        guard hasStarted else { return nil }
        let expectedInterval = expected - expectedAtReport
        let lostInterval = expectedInterval - (receivedSinceBase - receivedAtReport)
        expectedAtReport = expected
        receivedAtReport = receivedSinceBase
        let fraction = expectedInterval <= 0 || lostInterval <= 0 ? 0 : lostInterval * 256 / expectedInterval
        var delay: Int64 = 0
        if lastSenderReport != 0 {
            let nanoseconds = max(0, now.nanoseconds(since: lastSenderReportArrival))
            delay = (nanoseconds / 1_000_000_000) * 65_536 + (nanoseconds % 1_000_000_000) * 65_536 / 1_000_000_000
        }
        let lost = max(Self.cumulativeRange.lowerBound, min(Self.cumulativeRange.upperBound, cumulativeLost))
        return ReportBlock(
            ssrc: ssrc, fractionLost: UInt8(clamping: fraction), cumulativeLost: Int32(truncatingIfNeeded: lost),
            extendedHighestSequenceNumber: extendedHighestSequenceNumber, jitter: jitter,
            lastSenderReport: lastSenderReport, delaySinceLastSenderReport: UInt32(clamping: delay))
    }

    private var expected: Int64 { window.highest - base + 1 }

    private mutating func start(at sequenceNumber: UInt16) {
        base = 65_536 + Int64(sequenceNumber)
        window = PacketWindow(after: base - 1)
        window.advance(to: base)
        _ = window.markSeen(base)
        hasStarted = true
        receivedSinceBase = 0
        expectedAtReport = 0
        receivedAtReport = 0
        confirming = nil
    }

    private mutating func count(_ byteCount: Int) {
        receivedSinceBase += 1
        receivedPackets &+= 1
        receivedBytes &+= UInt64(max(0, byteCount))
    }

    /// J += (|D| - J) / 16 in integers, as in appendix A.8. Packets of one timestamp count with the first only:
    /// the others follow by how the sender paces, not by what the network does.
    private mutating func noteTransit(_ timestamp: UInt32, _ arrival: Instant, isFirst: Bool) {
        defer {
            lastTimestamp = timestamp
            lastArrival = arrival
        }
        guard !isFirst, timestamp != lastTimestamp else { return }
        let step = Int64(Int32(bitPattern: timestamp &- lastTimestamp))
        let nanoseconds = max(-Self.jitterHorizon, min(Self.jitterHorizon, arrival.nanoseconds(since: lastArrival)))
        let difference = abs(nanoseconds / 1_000 * clockRate / 1_000_000 - step)
        // A clock that jumped says nothing about the network.
        guard difference < clockRate * 10 else { return }
        scaledJitter += difference - (scaledJitter + 8) >> 4
    }

    private static let jitterHorizon: Int64 = 60_000_000_000
}
