import Loop
import Synchronization
import Wire

/// The addresses of the host names in `webrtcAdditionalHosts`, looked up at start and again while sessions are made
/// (ICE-33).
///
/// Nobody waits for the resolver but the start of the server, and that for a bounded time: a session gets the addresses
/// known at that moment, and its request has names that are due looked up for the next one. A name that cannot be
/// looked up keeps its last addresses.
final class HostNames: Sendable {
    /// How old a look-up may be before it is repeated.
    static let lifetimeSeconds: UInt64 = 60
    /// The same for a name that has no addresses.
    static let retrySeconds: UInt64 = 5
    /// How long the start of the server waits for all names.
    static let startMilliseconds: UInt64 = 3_000

    typealias Resolve = @Sendable (String, @escaping @Sendable ([SocketAddress]) -> Void) -> Void

    typealias Addresses = [String: [SocketAddress]]

    private struct Name {
        var addresses: [SocketAddress] = []
        var asked: Instant?
        var isBeingResolved = false

        func isDue(at now: Instant) -> Bool {
            guard let asked, !isBeingResolved else { return !isBeingResolved }
            return now >= asked.advanced(bySeconds: addresses.isEmpty ? retrySeconds : lifetimeSeconds)
        }
    }

    private struct State {
        var names: [String: Name] = [:]
        var changed: @Sendable (Addresses) -> Void = { _ in }
    }

    private let state = Mutex(State())
    private let logger: Logger
    private let resolve: Resolve

    init(_ hosts: [String], logger: Logger, resolve: @escaping Resolve) {
        self.logger = logger
        self.resolve = resolve
        use(hosts)
    }

    convenience init(_ hosts: [String], logger: Logger) {
        let resolver = HostResolver()
        self.init(hosts, logger: logger) { resolver.resolve($0, $1) }
    }

    /// Takes other hosts, for a reload. Addresses need no look-up and are passed over.
    func use(_ hosts: [String]) {
        let names = hosts.filter { SocketAddress(host: $0, port: 0) == nil }
        state.withLock { state in
            let known = state.names
            state.names = [:]
            for name in names { state.names[name] = known[name] ?? Name() }
        }
    }

    /// The addresses known now, with ports 0.
    var addresses: Addresses { state.withLock { $0.names.mapValues(\.addresses) } }

    /// Has `changed` called with all addresses whenever those of a name have changed, on the resolver's thread.
    func observe(_ changed: @escaping @Sendable (Addresses) -> Void) {
        state.withLock { $0.changed = changed }
    }

    /// Has every name looked up that is due, without waiting.
    func refresh(at now: Instant) {
        let due = state.withLock { state in
            let due = state.names.filter { $0.value.isDue(at: now) }.map(\.key)
            for name in due {
                state.names[name]?.isBeingResolved = true
                state.names[name]?.asked = now
            }
            return due
        }
        for name in due { resolve(name) { self.resolved(name, $0) } }
    }

    /// Looks all names up and waits until that is done or ``startMilliseconds`` have passed.
    func start() async {
        refresh(at: MonotonicClock.now)
        let deadline = MonotonicClock.now.advanced(byMilliseconds: Self.startMilliseconds)
        while state.withLock({ $0.names.values.contains { $0.isBeingResolved } }), MonotonicClock.now < deadline {
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private func resolved(_ name: String, _ addresses: [SocketAddress]) {
        if addresses.isEmpty {
            logger.warn("a host of webrtcAdditionalHosts has no address", [LogField(.address, name)])
        }
        let notify = state.withLock { state -> (() -> Void)? in
            guard state.names[name] != nil else { return nil }
            state.names[name]?.isBeingResolved = false
            guard !addresses.isEmpty, state.names[name]?.addresses != addresses else { return nil }
            state.names[name]?.addresses = addresses
            let (changed, all) = (state.changed, state.names.mapValues(\.addresses))
            return { changed(all) }
        }
        notify?()
    }
}
