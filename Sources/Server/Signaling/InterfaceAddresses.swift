import Loop
import Synchronization
import Wire

/// The addresses of the machine's interfaces, read at start and again while sessions are made: leases end, and
/// interfaces come late (ICE-33).
///
/// A session is offered what is true at that moment, or ``lifetimeSeconds`` before.
final class InterfaceAddresses: Sendable {
    /// How old a reading may be before it is repeated. It costs some fifty microseconds.
    static let lifetimeSeconds: UInt64 = 5

    typealias Read = @Sendable () throws(LoopError) -> [NetworkInterface]

    private struct State {
        var known: [NetworkInterface]
        var readAt: Instant
        var changed: @Sendable ([NetworkInterface]) -> Void = { _ in }
    }

    private let state: Mutex<State>
    private let logger: Logger
    private let read: Read

    /// - Throws: when the interfaces cannot be read the first time.
    init(logger: Logger, at now: Instant, read: @escaping Read = NetworkInterface.all) throws(LoopError) {
        self.logger = logger
        self.read = read
        state = Mutex(State(known: try read(), readAt: now))
    }

    var all: [NetworkInterface] { state.withLock { $0.known } }

    /// Has `changed` called with all interfaces whenever another reading differs, by whoever asked for it.
    func observe(_ changed: @escaping @Sendable ([NetworkInterface]) -> Void) {
        state.withLock { $0.changed = changed }
    }

    /// Reads the interfaces again when that is due. What cannot be read stays as it was.
    func refresh(at now: Instant) {
        let isDue = state.withLock { state in
            guard now >= state.readAt.advanced(bySeconds: Self.lifetimeSeconds) else { return false }
            state.readAt = now
            return true
        }
        guard isDue else { return }
        do throws(LoopError) {
            let found = try read()
            let notify = state.withLock { state -> (() -> Void)? in
                guard state.known != found else { return nil }
                state.known = found
                let changed = state.changed
                return { changed(found) }
            }
            guard let notify else { return }
            logger.info(
                "the machine's addresses have changed",
                [LogField(.address, Set(found.map(\.address.host)).sorted().joined(separator: " "))])
            notify()
        } catch {
            logger.error("the machine's addresses cannot be read", [LogField(.reason, error.description)])
        }
    }
}
