/// Tells a way that has become longer from a queue that stands on it.
///
/// A queue of one's own shrinks when less is sent, and loses packets when it is full. A delay that has jumped and then stays
/// as it is for over a second, with nothing lost or in spite of a rate that was lowered twice, is the way itself. A link that
/// is sent a hundredth too much fills its queue so slowly that every second of it looks steady: that is no other way.
struct RouteDelay: Sendable {
    static let stepNanoseconds: Int64 = 300_000_000
    static let steps = 4
    /// The lowest delays of the steps of a steady way lie so close together.
    static let spreadNanoseconds: Int64 = 15_000_000
    static let decreases = 2
    /// By so much the delay rises from one step to the next when the way changes; less is not taken for a full queue anyway.
    static let jumpNanoseconds: Int64 = 40_000_000
    /// So many steps after a jump the delay must have become steady, over queues that come and go meanwhile.
    static let settlingSteps = 30

    private var stepBegan: Int64?
    private var lowestOfStep = Int64.max
    /// Of the steps that were alike.
    private var lowest = Int64.max
    private var highest = Int64.min
    private var alike = 0
    private var latest: Int64?
    private var stepsSinceJump: Int?
    private var hasLost = false
    private var lowered = 0

    init() {}

    /// Takes the delay of a packet, on the difference of two clocks.
    ///
    /// - Returns: the delay of the way when it is known.
    mutating func received(delay: Int64, arrival: Int64) -> Int64? {
        let began = stepBegan ?? arrival
        stepBegan = began
        guard arrival &- began >= Self.stepNanoseconds else {
            lowestOfStep = min(lowestOfStep, delay)
            return nil
        }
        stepBegan = arrival
        let finished = lowestOfStep
        lowestOfStep = delay
        noteJump(to: finished)
        lowest = min(lowest, finished)
        highest = max(highest, finished)
        alike += 1
        if highest &- lowest > Self.spreadNanoseconds { begin(at: finished) }
        guard alike >= Self.steps else { return nil }
        defer { begin(at: finished) }
        guard stepsSinceJump != nil, !hasLost || lowered >= Self.decreases else { return nil }
        stepsSinceJump = nil
        return lowest
    }

    private mutating func noteJump(to delay: Int64) {
        if let latest, delay &- latest > Self.jumpNanoseconds {
            stepsSinceJump = 0
        } else if let steps = stepsSinceJump {
            stepsSinceJump = steps < Self.settlingSteps ? steps + 1 : nil
        }
        latest = delay
    }

    mutating func lost() { hasLost = true }
    mutating func rateWasLowered() { lowered += 1 }

    private mutating func begin(at delay: Int64) {
        lowest = delay
        highest = delay
        alike = 1
        hasLost = false
        lowered = 0
    }
}
