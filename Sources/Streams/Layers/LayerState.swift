import Codecs
import RTP
import Wire

/// One encoding of a track as it is being received: a simulcast layer, or the only one there is.
struct LayerState {
    /// An encoding without packets for this long counts as stopped, whatever the others do (RTP-112).
    static let stopsAfterNanoseconds: Int64 = 1_500_000_000
    /// While others go on, one that has been silent for this many of its frames counts as stopped, within bounds.
    static let silentFrames: Int64 = 5
    static let shortestSilenceNanoseconds: Int64 = 250_000_000
    /// An encoding is switched up to when it has been there for this long (RTP-111).
    static let stableAfterNanoseconds: Int64 = 2_000_000_000

    private(set) var lastPacket: Instant?
    /// Since when packets have been coming without a pause that counts as a stop.
    private(set) var activeSince: Instant?
    private(set) var rates = LayerRates()
    /// Between frames, smoothed; 0 when unknown.
    private(set) var frameInterval: Int64 = 0
    private var frameTimestamp: UInt32 = 0
    private var frameArrival = Instant(nanoseconds: 0)
    private var widths = InlineArray<4, UInt16>(repeating: 0)
    private var heights = InlineArray<4, UInt16>(repeating: 0)
    private var lastPackets = InlineArray<4, UInt64>(repeating: 0)

    mutating func received(
        byteCount: Int, timestamp: UInt32, spatial: UInt8, temporal: UInt8, resolution: VideoResolution?,
        at now: Instant
    ) {
        if let lastPacket, now.nanoseconds(since: lastPacket) < silenceLimit {
            if timestamp != frameTimestamp { noteFrame(timestamp, at: now) }
        } else {
            activeSince = now
            frameTimestamp = timestamp
            frameArrival = now
        }
        lastPacket = now
        let row = min(Int(spatial), LayerRates.spatialLimit - 1)
        lastPackets[row] = now.nanoseconds
        if let resolution { note(resolution, of: row) }
        rates.received(byteCount: byteCount, spatial: spatial, temporal: temporal, at: now)
    }

    private mutating func noteFrame(_ timestamp: UInt32, at now: Instant) {
        let interval = now.nanoseconds(since: frameArrival)
        frameInterval = frameInterval == 0 ? interval : frameInterval + (interval - frameInterval) / 8
        frameTimestamp = timestamp
        frameArrival = now
    }

    /// The size of a spatial layer became known.
    mutating func note(_ resolution: VideoResolution, of spatial: Int) {
        guard (0..<LayerRates.spatialLimit).contains(spatial) else { return }
        widths[spatial] = UInt16(clamping: resolution.width)
        heights[spatial] = UInt16(clamping: resolution.height)
    }

    mutating func advance(to now: Instant) { rates.advance(to: now) }

    /// How long this encoding may be silent while others go on.
    var silenceLimit: Int64 {
        guard frameInterval > 0 else { return Self.stopsAfterNanoseconds }
        return max(Self.shortestSilenceNanoseconds, min(Self.stopsAfterNanoseconds, Self.silentFrames * frameInterval))
    }

    /// Whether this encoding has stopped although `other` goes on. When both were silent, as on a link that was down,
    /// only the time since `other` came back counts.
    func hasStopped(beside other: LayerState) -> Bool {
        guard let lastPacket, let newest = other.lastPacket, let resumed = other.activeSince else { return false }
        return newest.nanoseconds(since: max(lastPacket, resumed)) >= silenceLimit
    }

    /// Whether packets have come lately, the other encodings left aside.
    func isLive(at now: Instant) -> Bool {
        guard let lastPacket else { return false }
        return now.nanoseconds(since: lastPacket) < Self.stopsAfterNanoseconds
    }

    func isStable(at now: Instant) -> Bool {
        guard let activeSince else { return false }
        return now.nanoseconds(since: activeSince) >= Self.stableAfterNanoseconds
    }

    /// The highest spatial layer of which packets come: one is gone when the encoding went on without it for a while.
    var highestSpatial: UInt8 {
        guard let lastPacket else { return 0 }
        for row in stride(from: LayerRates.spatialLimit - 1, to: 0, by: -1) where lastPackets[row] > 0 {
            let silence = lastPacket.nanoseconds(since: Instant(nanoseconds: lastPackets[row]))
            if silence < silenceLimit { return UInt8(row) }
        }
        return 0
    }

    /// nil while it is not known.
    func resolution(spatial: UInt8) -> VideoResolution? {
        let row = min(Int(spatial), LayerRates.spatialLimit - 1)
        return widths[row] == 0 ? nil : VideoResolution(width: Int(widths[row]), height: Int(heights[row]))
    }

    func pixels(spatial: UInt8) -> Int { resolution(spatial: spatial).map { $0.width * $0.height } ?? 0 }
}
