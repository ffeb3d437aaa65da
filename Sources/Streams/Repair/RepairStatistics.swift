/// What became of the packets viewers asked for again.
public struct RepairStatistics: Hashable, Sendable {
    /// Packets asked for, each time counted.
    public var requested: UInt64 = 0
    /// Of those sent again, packets that were known to be lost and not asked for.
    public var unasked: UInt64 = 0
    /// Packets sent again.
    public var answered: UInt64 = 0
    public var bytesSent: UInt64 = 0
    /// Not sent again because it had just been, or often enough, or a keyframe has made it needless.
    public var suppressed: UInt64 = 0
    /// Not sent again because repairs would have taken too much of the stream's rate.
    public var overBudget: UInt64 = 0
    /// Never sent, or no longer in the history.
    public var unanswerable: UInt64 = 0

    public init() {}

    /// What has been counted since `earlier`.
    func since(_ earlier: RepairStatistics) -> RepairStatistics {
        var difference = self
        difference.requested &-= earlier.requested
        difference.unasked &-= earlier.unasked
        difference.answered &-= earlier.answered
        difference.bytesSent &-= earlier.bytesSent
        difference.suppressed &-= earlier.suppressed
        difference.overBudget &-= earlier.overBudget
        difference.unanswerable &-= earlier.unanswerable
        return difference
    }

    public static func += (sum: inout RepairStatistics, other: RepairStatistics) {
        sum.requested &+= other.requested
        sum.unasked &+= other.unasked
        sum.answered &+= other.answered
        sum.bytesSent &+= other.bytesSent
        sum.suppressed &+= other.suppressed
        sum.overBudget &+= other.overBudget
        sum.unanswerable &+= other.unanswerable
    }
}
