import RTP
import Wire

/// What one viewer is told about how long to hold video back (RTP-80): what the room's settings say, and more while its
/// link loses packets that come too late otherwise.
///
/// It stands in the first packets of a stream, after every change, and in every keyframe: a viewer keeps the last it saw.
struct PlayoutDelayTeller: Sendable {
    static let packets = 100
    /// Players follow at once what they are told. A longer delay is told bit by bit, so that the picture only slows down.
    static let stepMilliseconds = 50
    static let stepNanoseconds: UInt64 = 100_000_000
    /// For so long after frames were held back the link counts as too small.
    static let smallNanoseconds: UInt64 = 10_000_000_000
    /// What browsers take for the most when nobody says anything.
    static let usualMostMilliseconds = 10_000

    private let configured: PlayoutDelay?
    /// nil when losses are no reason to hold video back.
    private var repairs: RepairDelay?
    /// As the extension holds it; nil while that is left to the publisher.
    private(set) var bits: UInt32?
    private var untold = packets
    /// For losses, as far as it was told.
    private var told = 0
    private var nextStep = Instant(nanoseconds: 0)
    private var smallUntil = Instant(nanoseconds: 0)
    /// Whether the viewer was asked to wait for nothing.
    private var showsAtOnce = false

    init(_ format: DownTrackFormat) {
        configured = format.playoutDelay
        bits = configured?.bits
        // A packet sent again under its own number must be the same, byte for byte; what it says cannot change.
        guard case .ownStream = format.repair, format.repairDelayMilliseconds > 0,
            format.extensions[.playoutDelay] != nil
        else { return }
        repairs = RepairDelay(limitMilliseconds: format.repairDelayMilliseconds)
    }

    /// What the next packet is to say; nil for nothing.
    mutating func take(isKeyframeStart: Bool, at now: Instant) -> UInt32? {
        guard bits != nil else { return nil }
        if showsAtOnce, now >= smallUntil {
            showsAtOnce = false
            say(PlayoutDelay(leastMilliseconds: 0, mostMilliseconds: Self.usualMostMilliseconds)?.bits)
        }
        if let repairs {
            if repairs.isReviewDue(at: now) { self.repairs?.review(at: now) }
            follow(repairs.milliseconds, at: now)
        }
        if untold > 0 {
            untold -= 1
            return bits
        }
        return isKeyframeStart ? bits : nil
    }

    /// Frames were held back: what comes late on so small a link waited for its turn, and holding video back does not
    /// make it come in time. The viewer is asked to show pictures as they come: else it plays as late as the latest came,
    /// and every keyframe that ends a pause is shown as much later.
    mutating func heldBack(at now: Instant) {
        smallUntil = now.advanced(byNanoseconds: Self.smallNanoseconds)
        guard let repairs else { return }
        if repairs.milliseconds > 0 { self.repairs = RepairDelay(limitMilliseconds: repairs.limitMilliseconds) }
        guard configured == nil, !showsAtOnce else { return }
        showsAtOnce = true
        told = 0
        say(PlayoutDelay(leastMilliseconds: 0, mostMilliseconds: 0)?.bits)
    }

    /// Whether frames were held back lately.
    func isLinkSmall(at now: Instant) -> Bool { now < smallUntil }

    /// A packet was sent again so long after it was first sent.
    mutating func sentAgain(lateness: UInt32, at now: Instant) {
        guard repairs != nil, now >= smallUntil else { return }
        repairs?.sentAgain(lateness: Int(lateness), at: now)
        follow(repairs?.milliseconds ?? 0, at: now)
    }

    private mutating func follow(_ wanted: Int, at now: Instant) {
        guard wanted != told, wanted < told || now >= nextStep else { return }
        told = min(wanted, told + Self.stepMilliseconds)
        nextStep = now.advanced(byNanoseconds: Self.stepNanoseconds)
        let most = configured.map { Int($0.most) * 10 } ?? Self.usualMostMilliseconds
        let least = min(max(configured.map { Int($0.least) * 10 } ?? 0, told), most)
        say(PlayoutDelay(leastMilliseconds: least, mostMilliseconds: most)?.bits)
    }

    private mutating func say(_ value: UInt32?) {
        guard value != bits else { return }
        bits = value
        untold = Self.packets
    }
}
