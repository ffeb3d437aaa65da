import Wire

/// A track's latest sender report, brought forward to the moment it is sent again: players take no report that is older
/// than the packets it belongs to.
struct RTSPLatestReport {
    private static let ntpOffset = 8
    private static let timestampOffset = 16
    private static let minimumSize = 28

    private(set) var bytes: [UInt8] = []
    private var instant = Instant(nanoseconds: 0)
    let clockRate: UInt32

    init(clockRate: UInt32) { self.clockRate = clockRate }

    /// Keeps a compound that was made at `now`; one that begins with no sender report replaces nothing.
    mutating func keep(_ compound: RawSpan, at now: Instant) {
        guard compound.byteCount >= Self.minimumSize, compound[1] == 200 else { return }
        bytes.removeAll(keepingCapacity: true)
        bytes.append(contentsOf: compound)
        instant = now
    }

    /// What it says of the two clocks, and when it said so; nil when there is none.
    var times: (ntp: UInt64, timestamp: UInt32, instant: Instant)? {
        bytes.withBytes { bytes in
            guard let ntp = bytes.integer(at: Self.ntpOffset, as: UInt64.self),
                let timestamp = bytes.integer(at: Self.timestampOffset, as: UInt32.self)
            else { return nil }
            return (ntp, timestamp, instant)
        }
    }

    /// The report as it would read at `now`; empty when there is none.
    func bytes(at now: Instant) -> [UInt8] {
        let age = now.nanoseconds(since: instant)
        guard let times, age > 0 else { return bytes }
        let (seconds, rest) = (UInt64(age / 1_000_000_000), UInt64(age % 1_000_000_000))
        let ticks = ClockScale(from: ClockScale.nanoseconds, to: clockRate).scaled(age)
        let moved = times.ntp &+ seconds << 32 &+ (rest << 32) / 1_000_000_000
        var report = bytes
        report.set(bigEndian: UInt32(truncatingIfNeeded: moved >> 32), at: Self.ntpOffset)
        report.set(bigEndian: UInt32(truncatingIfNeeded: moved), at: Self.ntpOffset + 4)
        report.set(bigEndian: times.timestamp &+ UInt32(truncatingIfNeeded: ticks), at: Self.timestampOffset)
        return report
    }
}
