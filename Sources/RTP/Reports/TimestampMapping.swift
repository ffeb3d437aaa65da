public import Wire

/// One source's RTP clock beside the server's clock: `timestamp` was captured at `instant`.
///
/// Holds for timestamps within 2^31 ticks of the reference (6.6 hours at 90 kHz); ``PublisherClock`` hands out fresh ones.
@frozen
public struct TimestampMapping: Hashable, Sendable {
    public var timestamp: UInt32
    public var instant: Instant
    public var clockRate: UInt32

    @inlinable public init(timestamp: UInt32, instant: Instant, clockRate: UInt32) {
        self.timestamp = timestamp
        self.instant = instant
        self.clockRate = clockRate
    }

    /// When the media with this timestamp was captured.
    public func instant(of timestamp: UInt32) -> Instant {
        let ticks = Int64(Int32(bitPattern: timestamp &- self.timestamp))
        let nanoseconds = ClockScale(from: clockRate, to: ClockScale.nanoseconds).scaled(ticks)
        return instant.advanced(byNanoseconds: UInt64(bitPattern: nanoseconds))
    }

    /// The timestamp of media captured at `instant`.
    public func timestamp(at instant: Instant) -> UInt32 {
        let scale = ClockScale(from: ClockScale.nanoseconds, to: clockRate)
        let ticks = scale.scaled(instant.nanoseconds(since: self.instant))
        return timestamp &+ UInt32(truncatingIfNeeded: ticks)
    }
}

extension SenderStatistics {
    /// The report of a viewer's stream for `now`, whose NTP time is the server's.
    ///
    /// Streams whose mappings come from one ``PublisherClock`` stay in sync with each other, whatever offsets their
    /// rewriters have.
    ///
    /// - Parameter mapping: of the source the rewriter currently follows.
    /// - Returns: nil before the stream's first packet.
    public func makeReport(
        ssrc: UInt32, rewriter: borrowing StreamRewriter, mapping: TimestampMapping, wallClock: WallClock,
        at now: Instant
    ) -> SenderReport? {
        guard let timestamp = rewriter.outputTimestamp(for: mapping.timestamp(at: now)) else { return nil }
        return makeReport(ssrc: ssrc, ntp: wallClock.ntp(at: now), timestamp: timestamp)
    }
}
