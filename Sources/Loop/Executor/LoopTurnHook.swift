internal import Wire

/// A turn hook of an ``EventLoop``.
final class LoopTurnHook: TurnHook {
    private let loop: EventLoop
    private let name: StaticString
    private let handler: () -> Void
    private var isRequested = false

    init(on loop: EventLoop, name: StaticString, _ handler: @escaping () -> Void) {
        self.loop = loop
        self.name = name
        self.handler = handler
    }

    func request() {
        loop.preconditionCurrent()
        guard !isRequested else { return }
        isRequested = true
        loop.hooks.append(self)
    }

    func deliver() {
        isRequested = false
        loop.watchdog.observe(name, handler)
    }
}

/// The hooks requested in this turn. A hook requested by another hook runs in the same turn, within bounds.
struct HookQueue {
    /// A pacer's hook requests the sender's, and that is as deep as it goes; hooks that request each other without end
    /// get their turn like everyone else.
    private static let roundsPerTurn = 4

    private(set) var running: [LoopTurnHook] = []
    private var waiting: [LoopTurnHook] = []
    private var rounds = 0

    var isEmpty: Bool { waiting.isEmpty }

    mutating func append(_ hook: LoopTurnHook) { waiting.append(hook) }

    mutating func beginRound() -> Int? {
        guard !waiting.isEmpty, rounds < Self.roundsPerTurn else { return nil }
        rounds += 1
        swap(&running, &waiting)
        return running.count
    }

    mutating func endRound() { running.removeAll(keepingCapacity: true) }

    mutating func endTurn() { rounds = 0 }
}
