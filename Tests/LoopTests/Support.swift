import Loop
import Synchronization
import Testing
import Wire

/// An actor on a loop, for tests to set their scene on: they run closures in it, keep objects and note what happens.
actor Stage: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    var log: [String] = []
    var count = 0
    var kept: [AnyObject] = []

    init(_ loop: EventLoop) { eventLoop = loop }

    func run<R: Sendable>(_ body: @Sendable (isolated Stage) throws -> R) rethrows -> R { try body(self) }

    /// Waits for what no handler tells of, and fails after minutes. The loop has its turns in between.
    func wait(until condition: @Sendable (isolated Stage) -> Bool) async {
        let limit = MonotonicClock.now.advanced(bySeconds: 180)
        while !condition(self) {
            guard MonotonicClock.now < limit else {
                Issue.record("nothing came for 180 s")
                return
            }
            await Task.yield()
        }
    }

    func note(_ text: String) { log.append(text) }
    func keep(_ object: AnyObject) { kept.append(object) }
    func letGo() { kept.removeAll() }
}

/// Runs `body` with a stage on a fresh loop, which is stopped afterwards.
func withStage<R: Sendable>(_ name: String = #function, _ body: (Stage) async throws -> R) async throws -> R {
    let loop = try EventLoop(name: name)
    try loop.start()
    defer { loop.stop() }
    return try await body(Stage(loop))
}

/// Something that happens once; tests wait for it instead of sleeping.
final class Event<Value: Sendable>: Sendable {
    private enum State {
        case pending([CheckedContinuation<Value, Never>])
        case happened(Value)
    }
    private let state = Mutex(State.pending([]))

    func happen(_ value: Value) {
        let waiting = state.withLock { state -> [CheckedContinuation<Value, Never>] in
            guard case .pending(let waiting) = state else { return [] }
            state = .happened(value)
            return waiting
        }
        for continuation in waiting { continuation.resume(returning: value) }
    }

    var value: Value {
        get async {
            await withCheckedContinuation { continuation in
                let value = state.withLock { state -> Value? in
                    switch state {
                    case .pending(let waiting):
                        state = .pending(waiting + [continuation])
                        return nil
                    case .happened(let value):
                        return value
                    }
                }
                if let value { continuation.resume(returning: value) }
            }
        }
    }
}

extension Event where Value == Void {
    func happen() { happen(()) }
}

extension SocketAddress {
    static func loopback(port: UInt16 = 0, last: UInt32 = 1) -> SocketAddress {
        SocketAddress(ipv4: 0x7F00_0000 | last, port: port)
    }
    static func loopback6(port: UInt16 = 0) -> SocketAddress { SocketAddress(ipv6High: 0, low: 1, port: port) }
    static func any(port: UInt16 = 0) -> SocketAddress { SocketAddress(ipv4: 0, port: port) }
    static func any6(port: UInt16 = 0) -> SocketAddress { SocketAddress(ipv6High: 0, low: 0, port: port) }
}
