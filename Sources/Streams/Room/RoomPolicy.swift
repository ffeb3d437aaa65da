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
