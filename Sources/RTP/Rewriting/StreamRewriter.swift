public import Wire

/// A packet's place in a viewer's stream.
@frozen
public struct RewrittenPosition: Hashable, Sendable {
    /// The viewer's sequence number without wraps; the low 16 bits go on the wire.
    public var extendedSequenceNumber: Int64
    /// The viewer's timestamp without wraps; the low 32 bits go on the wire.
    public var extendedTimestamp: Int64

    @inlinable public var sequenceNumber: UInt16 { UInt16(truncatingIfNeeded: extendedSequenceNumber) }
    @inlinable public var timestamp: UInt32 { UInt32(truncatingIfNeeded: extendedTimestamp) }

    @inlinable public init(extendedSequenceNumber: Int64, extendedTimestamp: Int64) {
        self.extendedSequenceNumber = extendedSequenceNumber
        self.extendedTimestamp = extendedTimestamp
    }
}

/// Gives the packets of changing sources one continuous sequence of numbers and timestamps for one viewer.
///
/// Sequence numbers have a gap only where the source had one: packets left out on purpose (``drop(sequenceNumber:timestamp:captured:)``),
/// pauses and changes of source leave none, with one exception: a frame cut off by a change of source is followed by one missing
/// number, so that the decoder does not take it for whole. A late packet gets the number that was kept free for it. Duplicates, packets
/// from before the last change of source and those older than ``lateLimit`` packets are refused. Consecutive numbers differ by less
/// than 32768, as SRTP demands: jumps of more than ``largestJump`` count as a restart of the source once two packets confirm them.
///
/// Nothing is forwarded before the first ``switchSource(to:)``. The caller keeps packets of other sources away.
/// `captured` is when a packet's media was captured, on the server's clock: ``PublisherClock`` derives it for every
/// lane alike; the arrival does where there is none.
public struct StreamRewriter: Sendable {
    /// The packet at which a viewer's stream goes over to a source, or comes back to it.
    @frozen public struct SourceStart: Hashable, Sendable {
        public var sequenceNumber: UInt16
        public var timestamp: UInt32
        public var captured: Instant

        public init(sequenceNumber: UInt16, timestamp: UInt32, captured: Instant) {
            self.sequenceNumber = sequenceNumber
            self.timestamp = timestamp
            self.captured = captured
        }
    }

    /// Larger jumps of a source's sequence numbers are a restart (RFC 3550, appendix A.1: MAX_DROPOUT).
    public static let largestJump: Int64 = 3000
    /// How many packets a late packet may be behind.
    public static let lateLimit = PacketWindow.size
    /// A source timestamp that differs from real time by more than this within one step is a restart of its clock.
    static let largestClockError: Int64 = 10_000_000_000

    public struct Statistics: Hashable, Sendable {
        public var duplicates: UInt64 = 0
        /// Packets refused because they were too old or from before the last change of source.
        public var late: UInt64 = 0
        public var restarts: UInt64 = 0
        public var switches: UInt64 = 0
    }

    public private(set) var statistics = Statistics()

    private let clockRate: Int64
    private let framesEndWithMarker: Bool
    private var isActive = false

    // The source's side.
    private var window = PacketWindow(after: 0)
    /// The oldest packet that may pass.
    private var floor: Int64 = 0
    /// Where a jump would have to continue to be a restart.
    private var confirming: UInt16?
    private var sourceTimestamps = TimestampUnwrapper()
    /// When the source's newest packet was captured.
    private var sourceCaptured = Instant(nanoseconds: 0)

    // Output minus input, in force at the newest packet.
    private var sequenceOffset: Int64 = 0
    private var timestampOffset: Int64 = 0

    // The viewer's side: the newest packet sent.
    private var highest: RewrittenPosition
    private var hasSent = false
    private var highestCaptured = Instant(nanoseconds: 0)
    private var highestEndsFrame = true
    /// How far timestamps run ahead of real time because a step may not be smaller than a frame.
    private var timestampLead: Int64 = 0
    /// The same at the newest timestamp sent.
    private var highestLead: Int64 = 0
    /// The least by which a timestamp moves on at a change of source.
    private var frameStep: Int64

    /// - Parameters:
    ///   - firstSequenceNumber: random; only the low 15 bits are used (SRTP rollover counters start at 0).
    ///   - firstTimestamp: random.
    ///   - clockRate: RTP ticks per second.
    ///   - framesEndWithMarker: whether the marker bit ends a frame, as it does for video.
    public init(firstSequenceNumber: UInt16, firstTimestamp: UInt32, clockRate: UInt32, framesEndWithMarker: Bool) {
        self.clockRate = Int64(max(clockRate, 1))
        self.framesEndWithMarker = framesEndWithMarker
        highest = RewrittenPosition(
            extendedSequenceNumber: Int64(firstSequenceNumber & 0x7FFF) - 1, extendedTimestamp: Int64(firstTimestamp))
        frameStep = self.clockRate / (framesEndWithMarker ? 30 : 50)
    }

    /// The newest position given out; nil before the first.
    public var newest: RewrittenPosition? { hasSent ? highest : nil }

    /// Whether packets pass, which they do between ``switchSource(to:)`` and ``pause()``.
    public var isForwarding: Bool { isActive }

    /// Starts the stream, moves it to another source or resumes it. `start` is the first packet that shall pass, for video the first of
    /// a keyframe; older ones never will. The packet itself still has to go through ``rewrite(sequenceNumber:timestamp:marker:captured:)``.
    ///
    /// - Parameter catchesUp: the packets to come were captured a while ago, perhaps before others that have been sent.
    ///   Their timestamps are then those of their capture, which may lie behind the newest one; the caller moves them
    ///   ahead of it. What follows at the live edge is in step with real time.
    public mutating func switchSource(to start: SourceStart, catchesUp: Bool = false) {
        let cutsFrame = isActive && hasSent && framesEndWithMarker && !highestEndsFrame
        restartSource(at: start.sequenceNumber, leaving: cutsFrame ? 1 : 0)
        rebaseTimestamps(at: start.timestamp, captured: start.captured, mayGoBack: catchesUp)
        isActive = true
        statistics.switches &+= 1
    }

    /// Stops forwarding until the next ``switchSource(to:)``. Time goes on meanwhile.
    public mutating func pause() { isActive = false }

    /// Gives a packet of the current source its place in the viewer's stream; nil when it must not be sent.
    public mutating func rewrite(
        sequenceNumber: UInt16, timestamp: UInt32, marker: Bool, captured: Instant
    ) -> RewrittenPosition? {
        guard let number = accept(sequenceNumber, timestamp: timestamp, captured: captured) else { return nil }
        let isNewest = number == window.highest
        let missing = isNewest ? 0 : window.droppedCount(after: number)
        // Later packets may have come and been left out.
        let isAhead = number + sequenceOffset + missing > highest.extendedSequenceNumber
        if isAhead, !sourceTimestamps.isHighest(timestamp) {
            checkClock(timestamp, number: number, captured: captured)
        }
        if isNewest { boundJump(to: number) }
        if isNewest { sourceCaptured = captured }
        let result = RewrittenPosition(
            extendedSequenceNumber: number + sequenceOffset + missing,
            extendedTimestamp: sourceTimestamps.unwrap(timestamp) + timestampOffset)
        record(result, marker: marker, captured: captured)
        return result
    }

    /// Whether later packets of the source have come, so that leaving this one out would leave a gap that a viewer asks for
    /// in vain.
    public func isLate(_ sequenceNumber: UInt16) -> Bool {
        isActive && Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: window.highest)) <= 0
    }

    /// Leaves out a packet of the current source without leaving a gap: a padding packet, a layer not wanted.
    ///
    /// - Returns: the place that was kept free for the packet, when later ones have been sent already. Something has to go
    ///   there, or a viewer waits for it in vain.
    @discardableResult
    public mutating func drop(
        sequenceNumber: UInt16, timestamp: UInt32, captured: Instant
    ) -> RewrittenPosition? {
        guard let number = accept(sequenceNumber, timestamp: timestamp, captured: captured) else { return nil }
        let missing = number == window.highest ? 0 : window.droppedCount(after: number)
        let output = number + sequenceOffset + missing
        guard output > highest.extendedSequenceNumber else {
            return RewrittenPosition(
                extendedSequenceNumber: output,
                extendedTimestamp: sourceTimestamps.extend(timestamp) + timestampOffset)
        }
        window.markDropped(number)
        sequenceOffset -= 1
        return nil
    }

    /// Moves a timestamp of the current source to the viewer's clock; nil before the first packet. For sender reports.
    public func outputTimestamp(for sourceTimestamp: UInt32) -> UInt32? {
        guard hasSent else { return nil }
        return UInt32(truncatingIfNeeded: sourceTimestamps.extend(sourceTimestamp) + timestampOffset)
    }

    /// The extended number of an input packet that is new, or nil when it is a duplicate, too old or unconfirmed.
    private mutating func accept(_ sequenceNumber: UInt16, timestamp: UInt32, captured: Instant) -> Int64? {
        guard isActive else { return nil }
        let difference = Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: window.highest))
        var number = window.highest + Int64(difference)
        if number > window.highest, number - window.highest <= Self.largestJump {
            window.advance(to: number)
        } else if !window.covers(number) {
            guard sequenceNumber == confirming else {
                confirming = sequenceNumber &+ 1
                statistics.late &+= 1
                return nil
            }
            statistics.restarts &+= 1
            restartSource(at: sequenceNumber, leaving: 1)
            rebaseTimestamps(at: timestamp, captured: captured)
            number = window.highest + 1
            window.advance(to: number)
        }
        confirming = nil
        guard number >= floor else {
            statistics.late &+= 1
            return nil
        }
        guard window.markSeen(number) else {
            statistics.duplicates &+= 1
            return nil
        }
        return number
    }

    /// Makes the packet `sequenceNumber`, yet to come, follow the newest one sent after `gap` missing numbers.
    private mutating func restartSource(at sequenceNumber: UInt16, leaving gap: Int64) {
        let first = 65_536 + Int64(sequenceNumber)
        window = PacketWindow(after: first - 1)
        floor = first
        confirming = nil
        sequenceOffset = highest.extendedSequenceNumber + 1 + gap - first
    }

    /// Closes gaps that packets left out and packets lost have together made too large, down to one missing number.
    private mutating func boundJump(to number: Int64) {
        let excess = number + sequenceOffset - highest.extendedSequenceNumber - 2
        guard excess > Self.largestJump else { return }
        sequenceOffset -= excess
        floor = number
    }

    /// Makes the source's `timestamp` follow the newest one sent by the time that has passed, but at least by a frame.
    private mutating func rebaseTimestamps(at timestamp: UInt32, captured: Instant, mayGoBack: Bool = false) {
        sourceTimestamps = TimestampUnwrapper()
        let source = sourceTimestamps.unwrap(timestamp)
        var target = highest.extendedTimestamp
        if hasSent {
            let elapsed = captured.nanoseconds(since: highestCaptured)
            let ideal = highest.extendedTimestamp - highestLead + Self.ticks(elapsed, clockRate: clockRate)
            target = mayGoBack ? ideal : max(ideal, highest.extendedTimestamp + frameStep)
            timestampLead = target - ideal
        }
        timestampOffset = target - source
        sourceCaptured = captured
    }

    /// Notes the shortest frame interval, and moves over when the source's clock has jumped.
    private mutating func checkClock(_ timestamp: UInt32, number: Int64, captured: Instant) {
        guard hasSent, let previous = sourceTimestamps.highest else { return }
        let step = sourceTimestamps.extend(timestamp) - previous
        let elapsed = captured.nanoseconds(since: sourceCaptured)
        if abs(Self.nanoseconds(step, clockRate: clockRate) - elapsed) > Self.largestClockError {
            rebaseTimestamps(at: timestamp, captured: captured)
            floor = number
        } else if step >= clockRate / 240, step < frameStep {
            frameStep = step
        }
    }

    private mutating func record(_ position: RewrittenPosition, marker: Bool, captured: Instant) {
        if !hasSent || position.extendedTimestamp > highest.extendedTimestamp {
            highest.extendedTimestamp = position.extendedTimestamp
            highestCaptured = captured
            highestLead = timestampLead
        }
        // A late packet may be of a picture that is shown after those that came before it, and still be ahead of what was sent,
        // when the newer ones were left out.
        guard position.extendedSequenceNumber > highest.extendedSequenceNumber else { return }
        highest.extendedSequenceNumber = position.extendedSequenceNumber
        highestEndsFrame = marker
        hasSent = true
    }

    // Static, because a method would copy the whole rewriter to read one number of it.

    /// The nearest number of ticks; elapsed times beyond ten days either way are cut off there.
    private static func ticks(_ nanoseconds: Int64, clockRate: Int64) -> Int64 {
        let limit: Int64 = 10 * 86_400 * 1_000_000_000
        let bounded = max(-limit, min(limit, nanoseconds))
        return ClockScale(from: ClockScale.nanoseconds, to: UInt32(clamping: clockRate)).nearest(bounded)
    }

    /// `ticks` is the difference of two neighbouring 32-bit timestamps.
    private static func nanoseconds(_ ticks: Int64, clockRate: Int64) -> Int64 {
        ClockScale(from: UInt32(clamping: clockRate), to: ClockScale.nanoseconds).scaled(ticks)
    }
}
