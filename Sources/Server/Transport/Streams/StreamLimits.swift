import Synchronization

/// The bounds of ICE-TCP (ICE-37).
struct StreamLimits: Sendable {
    /// Connections at the same time, proved or not.
    static let maximumConnections = 4_096
    /// Connections that have not shown a check of a session yet: altogether, and from one address (IPv6: one /64).
    static let maximumUnproven = 512
    static let maximumUnprovenPerAddress = 32
    /// How long a connection may take to bring its first frame, which has to be a check of a session.
    var firstFrameMilliseconds: UInt64 = 5_000
    /// Silence after which a connection is closed; clients check every few seconds.
    static let idleMilliseconds: UInt64 = 60_000
    /// How long a client may acknowledge nothing of what was sent.
    static let acknowledgementMilliseconds: Int32 = 20_000
    /// Bytes that may wait for one client: some hundred milliseconds of video. More are dropped, a frame at a time.
    static let maximumQueuedBytes = 256 << 10
    /// How often silent connections are looked for.
    static let sweepMilliseconds: UInt64 = 1_000
}

/// What ICE-TCP counts, over all loops.
final class StreamCounters: Sendable {
    let open = Atomic<Int>(0)
    let accepted = Atomic<UInt64>(0)
    /// Connections closed at once because of a bound.
    let refused = Atomic<UInt64>(0)
    /// Connections whose first frame did not come in time.
    let timedOut = Atomic<UInt64>(0)
    /// Connections whose first frame was no valid check of a session, or that broke the framing.
    let invalid = Atomic<UInt64>(0)

    /// Takes a place; false when all are taken.
    func take() -> Bool {
        guard open.wrappingAdd(1, ordering: .relaxed).newValue <= StreamLimits.maximumConnections else {
            open.wrappingSubtract(1, ordering: .relaxed)
            refused.wrappingAdd(1, ordering: .relaxed)
            return false
        }
        accepted.wrappingAdd(1, ordering: .relaxed)
        return true
    }

    func giveBack() { open.wrappingSubtract(1, ordering: .relaxed) }

    struct Snapshot: Sendable {
        var open = 0
        var accepted: UInt64 = 0
        var refused: UInt64 = 0
        var timedOut: UInt64 = 0
        var invalid: UInt64 = 0
    }

    var snapshot: Snapshot {
        Snapshot(
            open: open.load(ordering: .relaxed), accepted: accepted.load(ordering: .relaxed),
            refused: refused.load(ordering: .relaxed), timedOut: timedOut.load(ordering: .relaxed),
            invalid: invalid.load(ordering: .relaxed))
    }
}
