/// What a room allows. A value handed to the room's actors; a change of settings brings a new one.
public struct RoomPolicy: Hashable, Sendable {
    /// Whether a new publisher takes the room over; otherwise it is refused while another publishes.
    public var publisherMayBeReplaced: Bool
    /// Viewers at the same time; nil for no limit of the room's own.
    public var maximumViewers: Int?
    /// How long viewers wait for a publisher that left before their sessions end.
    public var publisherAbsenceNanoseconds: UInt64
    /// Whether viewers begin at the latest keyframe when the publisher does not send a fresh one in time; otherwise
    /// they wait for the next.
    public var cachesKeyframes: Bool
    /// Without a keyframe for so long, viewers of a publisher that cannot be asked for one begin at recovery points; nil
    /// when they never do.
    public var recoveryPointPatienceNanoseconds: UInt64? = 10_000_000_000
    public var standby = StandbyPolicy()

    public init(
        publisherMayBeReplaced: Bool = true, maximumViewers: Int? = nil,
        publisherAbsenceNanoseconds: UInt64 = 10_000_000_000, cachesKeyframes: Bool = true
    ) {
        self.publisherMayBeReplaced = publisherMayBeReplaced
        self.maximumViewers = maximumViewers
        self.publisherAbsenceNanoseconds = publisherAbsenceNanoseconds
        self.cachesKeyframes = cachesKeyframes
    }
}

/// Which publishers wait behind the active one, and when one of them takes its place.
public struct StandbyPolicy: Hashable, Sendable {
    /// When the room goes back to its primary publisher after a backup stood in for it.
    public enum Return: Hashable, Sendable {
        /// Not before the backup ends or falls silent.
        case never
        /// Once the primary's media has come without a pause for this long; 0 for its first keyframe.
        case afterNanoseconds(UInt64)
    }

    /// Whether every further publisher waits; otherwise those do that ask for it.
    public var everyFurtherPublisherWaits = false
    /// Backups that wait at the same time; the primary publisher is not one of them.
    public var maximumBackups = 2
    /// Without video for this long, a publisher counts as silent.
    public var silenceNanoseconds: UInt64 = 2_000_000_000
    public var returning = Return.afterNanoseconds(5_000_000_000)

    /// A publisher of sound alone is given this long at least, because encoders send little or nothing of a pause in
    /// speech; its sender reports count as sound.
    static let audioSilenceNanoseconds: UInt64 = 15_000_000_000
    /// How often a room with publishers waiting looks at its active one.
    static let lookMilliseconds: UInt64 = 250

    public init() {}
}
