import RTP
import Wire

/// A publisher in its room, active or waiting.
struct RoomSource {
    let publisher: any PublisherHandle
    let publication: Publication
    /// Whether it asked to wait, rather than being the room's primary publisher.
    let isBackup: Bool
    /// Whether media of ``leadingKind`` comes.
    var activity = SourceActivity()
    /// What its sound proved to be; nil as long as that is what it announced.
    private(set) var refinedSound: TrackFormat?
    /// While it waits: what viewers could begin with.
    var picture: StandbyPicture?
    /// While it is to be shown: since when it has been asked for a keyframe.
    var askedSince: Instant?

    var peerID: PeerID { publisher.peerID }

    /// The kind whose absence is silence: video where there is any.
    var leadingKind: MediaKind { publication.lanes.contains { $0.format.kind == .video } ? .video : .audio }

    func lane(_ kind: MediaKind) -> PublicationLane? {
        var lane = publication.lanes.first { $0.format.kind == kind }
        if kind == .audio, let refinedSound { lane?.format = refinedSound }
        return lane
    }

    mutating func refine(_ sound: TrackFormat) {
        refinedSound = sound
        publication.onLoop { $0.refine(sound) }
    }

    /// How long nothing may come before the source counts as silent.
    func silenceLimit(_ policy: StandbyPolicy) -> UInt64 {
        leadingKind == .video
            ? policy.silenceNanoseconds : max(policy.silenceNanoseconds, StandbyPolicy.audioSilenceNanoseconds)
    }

    func isFlowing(_ policy: StandbyPolicy, at now: Instant) -> Bool {
        activity.isFlowing(pause: silenceLimit(policy), at: now)
    }
}

/// Since when a source's media comes without a pause.
struct SourceActivity: Hashable {
    private(set) var last: Instant?
    private(set) var since: Instant?

    mutating func heard(at now: Instant, pause: UInt64) {
        if !isFlowing(pause: pause, at: now) { since = now }
        last = now
    }

    func isFlowing(pause: UInt64, at now: Instant) -> Bool {
        guard let last else { return false }
        return now.nanoseconds(since: last) < Int64(clamping: pause)
    }

    /// nil when it does not flow.
    func flowingNanoseconds(pause: UInt64, at now: Instant) -> Int64? {
        guard isFlowing(pause: pause, at: now), let since else { return nil }
        return now.nanoseconds(since: since)
    }
}
