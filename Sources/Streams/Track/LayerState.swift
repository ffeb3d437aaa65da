import Codecs
import RTP
import Wire

/// One encoding of a track as it is being received: a simulcast layer, or the only one there is.
struct LayerState {
    /// A layer without packets for this long counts as stopped (RTP-112).
    static let stopsAfterNanoseconds: Int64 = 1_500_000_000

    private(set) var lastPacket: Instant?
    /// Width times height of the last keyframe that told its size; 0 when unknown.
    private(set) var pixels = 0
    private(set) var bitsPerSecond = 0.0
    private var windowStart: Instant?
    private var windowBytes = 0

    mutating func received(byteCount: Int, summary: PayloadSummary, at now: Instant) {
        lastPacket = now
        if let resolution = summary.resolution { pixels = Int(resolution.width) &* Int(resolution.height) }
        windowBytes += byteCount
        guard let start = windowStart else {
            windowStart = now
            return
        }
        let elapsed = now.nanoseconds(since: start)
        if elapsed >= 500_000_000 {
            bitsPerSecond = Double(windowBytes) * 8e9 / Double(elapsed)
            windowBytes = 0
            windowStart = now
        }
    }

    func isLive(at now: Instant) -> Bool {
        guard let lastPacket else { return false }
        return now.nanoseconds(since: lastPacket) < Self.stopsAfterNanoseconds
    }

    /// Whether this layer shows more than `other`: by picture size when both are known, else by bitrate.
    func isHigher(than other: LayerState) -> Bool {
        if pixels > 0, other.pixels > 0, pixels != other.pixels { return pixels > other.pixels }
        return bitsPerSecond > other.bitsPerSecond * 1.2
    }
}
