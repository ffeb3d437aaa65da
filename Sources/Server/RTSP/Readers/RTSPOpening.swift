import Streams
import Wire

/// What is known of a track's first packet before a reader gets it (RTSP-15).
struct RTSPOpening {
    /// The latest sender report: a moment on the wall clock, and on the track's.
    struct Report {
        var ntp: UInt64
        var timestamp: UInt32
        /// When it was sent.
        var at: Instant
    }

    let clockRate: UInt32
    var sequenceNumber: UInt16?
    /// Of the first packet.
    var timestamp: UInt32?
    var report: Report?

    init(clockRate: UInt32) { self.clockRate = clockRate }

    /// The wall clock's time at the first packet.
    var beginning: UInt64? {
        guard let report, let timestamp, clockRate > 0 else { return nil }
        let ticks = Int64(Int32(bitPattern: timestamp &- report.timestamp))
        return report.ntp &+ UInt64(bitPattern: (ticks << 32) / Int64(clockRate))
    }

    /// The wall clock's time at `now`.
    func wallClock(at now: Instant) -> UInt64? {
        report.map { WallClock(ntp: $0.ntp, instant: $0.at).ntp(at: now) }
    }

    /// The track's time at a moment of the wall clock.
    func timestamp(at moment: UInt64) -> UInt32? {
        guard let report else { return nil }
        let difference = Int64(bitPattern: moment &- report.ntp) >> 16
        guard abs(difference) < 1 << 32 else { return nil }
        // The bits that may be lost above are not those that count.
        return report.timestamp &+ UInt32(truncatingIfNeeded: (difference &* Int64(clockRate)) >> 16)
    }

    /// What RTP-Info says of several tracks: their time stamps are of one moment, the first packet of the video, or
    /// else now. A track of which no report was sent yet, or that waits for a keyframe, has less to say.
    static func positions(
        _ openings: [Int: RTSPOpening], at now: Instant
    ) -> [Int: (sequenceNumber: UInt16?, timestamp: UInt32?)] {
        let moments = openings.values
        guard
            let moment = moments.lazy.compactMap(\.beginning).min()
                ?? moments.lazy.compactMap({ $0.wallClock(at: now) }).max()
        else { return [:] }
        return openings.mapValues { ($0.sequenceNumber, $0.timestamp ?? $0.timestamp(at: moment)) }
    }
}
