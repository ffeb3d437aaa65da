import RTP
import Wire

/// Lets the wanted spatial and temporal layers of one encoding pass, frame by frame (RTP-113, RTP-114, RTP-115).
///
/// Upper layers are left out from the next picture on, and come back where a decoder can follow: at a keyframe, at a
/// temporal switching point (VP8 Y, VP9 U), or where the dependency descriptor says so of a frame whose references have
/// all been forwarded. Of VP9 nothing changes inside a picture: the lower layers' last packet has ended it already.
struct LayerFilter {
    /// Layers up to these pass now, and are to pass as soon as they can.
    private(set) var spatial = LayerChoice.topmost
    private(set) var temporal = LayerChoice.topmost
    private var wantedSpatial = LayerChoice.topmost
    private var wantedTemporal = LayerChoice.topmost
    /// Where there are no higher layers than these, they are as good as the topmost.
    private var highestSpatial = LayerChoice.topmost
    private var highestTemporal = LayerChoice.topmost

    /// A layer that could come back waits this long for an opportunity of its own before a keyframe is asked for.
    static let temporalPatienceMilliseconds: Int64 = 3_000
    static let spatialPatienceMilliseconds: Int64 = 400
    /// How many packets later nothing from before a change can come any more.
    private static let lateLimit: Int16 = 2_048
    private var waitingSince: Instant?

    /// The latest changes, the newest first: of a packet that comes late what passed when its picture began counts.
    private var changes = InlineArray<4, Change>(repeating: Change())
    private var changeCount = 0
    /// The newest packet of all that were judged.
    private var newest: UInt16?
    private var frames = ForwardedFrames()

    /// The layers that passed before a packet of the source, and no longer from it on.
    private struct Change {
        var number: UInt16 = 0
        var spatial = LayerChoice.topmost
        var temporal = LayerChoice.topmost
    }

    /// What becomes of a packet.
    enum Verdict: Hashable {
        case drop
        case pass(marker: Bool)
    }

    /// - Parameters:
    ///   - spatial: what is to pass, ``LayerChoice/topmost`` for everything.
    ///   - highestSpatial: the highest layer that passes then.
    mutating func aim(spatial: UInt8, temporal: UInt8, highestSpatial: UInt8, highestTemporal: UInt8) {
        if spatial != wantedSpatial || temporal != wantedTemporal { waitingSince = nil }
        (wantedSpatial, wantedTemporal) = (spatial, temporal)
        (self.highestSpatial, self.highestTemporal) = (highestSpatial, highestTemporal)
    }

    /// Nothing above these layers is to pass; what is to pass of those below stays as it is.
    mutating func limit(spatial: UInt8, temporal: UInt8) {
        aim(
            spatial: min(wantedSpatial, spatial), temporal: min(wantedTemporal, temporal),
            highestSpatial: highestSpatial, highestTemporal: highestTemporal)
    }

    /// The encoding is forwarded from a keyframe on, at which all layers begin.
    mutating func start() {
        spatial = wantedSpatial
        temporal = wantedTemporal
        waitingSince = nil
        changeCount = 0
        newest = nil
        frames = ForwardedFrames()
    }

    private var isSettled: Bool { spatial == wantedSpatial && temporal == wantedTemporal }

    /// Whether only a keyframe brings what is wanted.
    func needsKeyframe(at now: Instant) -> Bool {
        guard let waitingSince, !isSettled else { return false }
        let patience =
            spatial == wantedSpatial ? Self.temporalPatienceMilliseconds : Self.spatialPatienceMilliseconds
        return now.milliseconds(since: waitingSince) >= patience
    }

    mutating func judge(_ entry: RunEntry) -> Verdict {
        if !isSettled, waitingSince == nil { waitingSince = entry.arrival }
        let marker = entry.header.marker
        if let dependency = entry.dependency { return judge(dependency, entry, marker) }
        let (layer, rate) = (entry.spatialLayer, entry.temporalLayer)
        let number = entry.header.sequenceNumber
        let isNewest = newest.map { $0.isBefore(number) } ?? true
        // Of a frame whose later packets came first those have passed or are gone already.
        if !isSettled, isNewest { move(at: entry, layer, rate) }
        if isNewest { newest = number }
        var (spatial, temporal) = (self.spatial, self.temporal)
        for index in 0..<changeCount {
            let distance = Int16(bitPattern: number &- changes[index].number)
            if distance > Self.lateLimit { changeCount = index }
            guard distance < 0 else { break }
            (spatial, temporal) = (changes[index].spatial, changes[index].temporal)
        }
        guard layer <= spatial, rate <= temporal else { return .drop }
        // The picture ends for the viewer with the highest layer that it gets.
        return .pass(marker: marker || layer == spatial && entry.summary.endsFrame)
    }

    // MARK: VP8 and VP9

    /// Goes towards what is wanted, if `entry` begins a frame at which that is possible.
    private mutating func move(at entry: RunEntry, _ layer: UInt8, _ rate: UInt8) {
        let summary = entry.summary
        guard summary.startsFrame, layer == 0 else { return }
        if summary.isKeyframeStart { return set(wantedSpatial, wantedTemporal, from: entry) }
        var (spatial, temporal) = (self.spatial, self.temporal)
        spatial = min(spatial, wantedSpatial)
        temporal = min(temporal, wantedTemporal)
        // A step at a time: a frame of the layer after the next may need one of the next that came before.
        if rate == temporal + 1, rate <= wantedTemporal, summary.isSwitchingPoint { temporal = rate }
        (spatial, temporal) = withTop(spatial, temporal)
        set(spatial, temporal, from: entry)
    }

    /// From a picture on, all there is passes where everything is wanted: a layer that nobody knew of may come then, but
    /// not in a picture that has been ended without it.
    private func withTop(_ spatial: UInt8, _ temporal: UInt8) -> (spatial: UInt8, temporal: UInt8) {
        (
            spatial >= highestSpatial ? max(spatial, wantedSpatial) : spatial,
            temporal >= highestTemporal ? max(temporal, wantedTemporal) : temporal
        )
    }

    private mutating func set(_ spatial: UInt8, _ temporal: UInt8, from entry: RunEntry) {
        guard spatial != self.spatial || temporal != self.temporal else { return }
        while changeCount > 0,
            entry.header.sequenceNumber &- changes[changeCount - 1].number > UInt16(Self.lateLimit)
        {
            changeCount -= 1
        }
        for index in stride(from: changes.count - 1, to: 0, by: -1) { changes[index] = changes[index - 1] }
        changes[0] = Change(number: entry.header.sequenceNumber, spatial: self.spatial, temporal: self.temporal)
        changeCount = min(changeCount + 1, changes.count)
        (self.spatial, self.temporal) = (spatial, temporal)
        if isSettled { waitingSince = nil }
    }

    // MARK: dependency descriptor

    private mutating func judge(_ frame: FrameDependency, _ entry: RunEntry, _ marker: Bool) -> Verdict {
        if let passed = frames.wasForwarded(frame.frameNumber), !frame.startsFrame {
            return passed ? .pass(marker: marker || endsPicture(frame)) : .drop
        }
        if !isSettled, frame.startsFrame, frame.spatialLayer == 0 {
            let top = withTop(spatial, temporal)
            set(top.spatial, top.temporal, from: entry)
            changeCount = 0
        }
        if !isSettled {
            let indication = frame.indication(spatial: wantedSpatial, temporal: wantedTemporal)
            if frame.hasStructure
                || indication == .switching && frames.holdsAll(frame.references, of: frame.frameNumber)
            {
                set(wantedSpatial, wantedTemporal, from: entry)
                changeCount = 0
            }
        }
        let passes = frame.indication(spatial: spatial, temporal: temporal) != .notPresent
        frames.note(frame.frameNumber, isForwarded: passes)
        return passes ? .pass(marker: marker || endsPicture(frame)) : .drop
    }

    private func endsPicture(_ frame: FrameDependency) -> Bool { frame.endsFrame && frame.spatialLayer == spatial }
}

/// Which of the latest 64 frames of an encoding were forwarded.
struct ForwardedFrames {
    private var newest: UInt16?
    /// Bit n stands for the frame n before the newest.
    private var known: UInt64 = 0
    private var forwarded: UInt64 = 0

    /// nil for a frame that has not been decided on, or too long ago.
    func wasForwarded(_ number: UInt16) -> Bool? {
        guard let newest else { return nil }
        let age = newest &- number
        guard age < 64, known >> UInt64(age) & 1 == 1 else { return nil }
        return forwarded >> UInt64(age) & 1 == 1
    }

    mutating func note(_ number: UInt16, isForwarded: Bool) {
        let step = Int16(bitPattern: number &- (newest ?? number))
        if step > 0 {
            known = step < 64 ? known << UInt64(step) : 0
            forwarded = step < 64 ? forwarded << UInt64(step) : 0
        }
        if step >= 0 { newest = number }
        guard let newest, newest &- number < 64 else { return }
        let bit: UInt64 = 1 << UInt64(newest &- number)
        known |= bit
        forwarded = isForwarded ? forwarded | bit : forwarded & ~bit
    }

    /// Whether all frames that frame `number` refers to were forwarded.
    func holdsAll(_ references: FrameReferences, of number: UInt16) -> Bool {
        guard !references.hasFar else { return false }
        var remaining = references.near
        while remaining != 0 {
            let difference = UInt16(remaining.trailingZeroBitCount) + 1
            guard wasForwarded(number &- difference) == true else { return false }
            remaining &= remaining - 1
        }
        return true
    }
}
