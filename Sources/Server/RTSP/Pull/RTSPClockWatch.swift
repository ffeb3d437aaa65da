import Wire

/// Notices that a source began to count time anew, as cameras do when their clock is set or they start again in the
/// middle of a session (RTSP-Q7): its timestamps no longer follow from those before.
struct RTSPClockWatch {
    /// What arrival may be off by; buffers and bad networks stay far below.
    private static let toleranceSeconds: Int64 = 10

    private struct Track {
        var clockRate: Int64
        var last: (timestamp: UInt32, arrival: Instant)?
    }

    private var tracks: [Track]

    init(clockRates: [UInt32]) { tracks = clockRates.map { Track(clockRate: Int64($0)) } }

    /// Takes a packet's timestamp; whether it means a new beginning, from which on it counts.
    mutating func isJump(to timestamp: UInt32, track: Int, at now: Instant) -> Bool {
        guard tracks.indices.contains(track) else { return false }
        let clockRate = tracks[track].clockRate
        guard let last = tracks[track].last.replace((timestamp, now)) else { return false }
        let step = Int64(Int32(bitPattern: timestamp &- last.timestamp))
        let elapsed = Int64(clamping: now.milliseconds(since: last.arrival)) &* clockRate / 1_000
        return abs(step &- elapsed) >= Self.toleranceSeconds &* clockRate
    }
}

extension Optional {
    /// Sets the value and returns the one before.
    fileprivate mutating func replace(_ value: Wrapped) -> Wrapped? {
        defer { self = value }
        return self
    }
}
