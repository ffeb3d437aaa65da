import HTTP
public import Loop
public import Secure
public import Wire

/// Serves a router over HTTP/1.1 and HTTPS on the addresses it is told to listen on.
///
/// The server, its listeners and connections live on one control loop; handlers run as tasks beside it. Certificates may
/// be replaced at any time: connections made afterwards see the new one.
public actor HTTPServer: LoopActor {
    /// Connections over the bound that are told so at a time; more are closed without a word.
    private static let maximumRefusals = 64

    public struct Statistics: Sendable, Hashable {
        public var connections = 0
        public var accepted: UInt64 = 0
        public var requests: UInt64 = 0
        /// Connections refused because of either bound, or because TLS could not be set up.
        public var refused: UInt64 = 0
    }

    private struct Entry {
        var connection: HTTPConnection
        var address: SocketAddress
        var isCounted: Bool
        var task: Task<Void, Never>?
    }

    public nonisolated let eventLoop: EventLoop
    public nonisolated var loop: any LoopExecutor { eventLoop }

    private var settings: HTTPServerSettings
    private let router: Router
    private var tlsContext: TLSServerContext?
    private var listeners: [TCPListener] = []
    private var entries: [UInt64: Entry] = [:]
    private var connectionsByAddress: [SocketAddress: Int] = [:]
    private var refusals: [UInt64: TCPConnection] = [:]
    private var nextIdentifier: UInt64 = 0
    private var counters = Statistics()
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []
    private var isStopping = false

    public init(on loop: EventLoop, router: Router, settings: HTTPServerSettings = HTTPServerSettings()) {
        eventLoop = loop
        self.router = router
        self.settings = settings
    }

    public var statistics: Statistics {
        var statistics = counters
        statistics.connections = entries.count
        return statistics
    }

    /// Listens for plain HTTP.
    ///
    /// - Returns: the address with the port in use, which port 0 leaves to the system.
    @discardableResult
    public func listen(on address: SocketAddress) throws(LoopError) -> SocketAddress {
        try listen(on: address, isSecure: false)
    }

    /// Listens for HTTPS. The context also replaces the one of earlier secure listeners.
    @discardableResult
    public func listen(on address: SocketAddress, tls context: TLSServerContext) throws(LoopError) -> SocketAddress {
        tlsContext = context
        return try listen(on: address, isSecure: true)
    }

    /// Gives connections made from now on another certificate.
    public func replaceTLS(_ context: TLSServerContext) { tlsContext = context }

    /// What responses carry from now on; refusals of the parser change with the next connection.
    func use(_ responses: ResponsePolicy) { settings.responses = responses }

    private func listen(on address: SocketAddress, isSecure: Bool) throws(LoopError) -> SocketAddress {
        let listener = try TCPListener(on: eventLoop, address: address) { accepted in
            self.accept(accepted, isSecure: isSecure)
        }
        listeners.append(listener)
        return listener.localAddress
    }

    /// Stops listening, closes idle connections, ends streams, and waits until the responses in work are out; what is
    /// left after `graceMilliseconds` is cut off.
    public func stop(graceMilliseconds: UInt64 = 3_000) async {
        isStopping = true
        for listener in listeners { listener.close() }
        listeners = []
        for connection in refusals.values { connection.close() }
        for entry in entries.values { entry.connection.shutDown() }
        let timer = eventLoop.makeTimer(name: "HTTP server stop") {
            for entry in self.entries.values { entry.connection.close() }
        }
        timer.schedule(at: eventLoop.now.advanced(byMilliseconds: graceMilliseconds))
        await idle()
        timer.cancel()
    }

    /// Returns once there is no connection.
    package func idle() async {
        guard !entries.isEmpty else { return }
        await withCheckedContinuation { idleWaiters.append($0) }
    }

    // MARK: Connections

    private func accept(_ accepted: consuming AcceptedSocket, isSecure: Bool) {
        let remote = accepted.remoteAddress
        let address = Self.countedAddress(remote)
        let isCounted = !settings.isTrustedProxy(remote)
        guard !isStopping else { return }
        guard entries.count < settings.maximumConnections,
            !isCounted || connectionsByAddress[address, default: 0] < settings.maximumConnectionsPerAddress
        else {
            counters.refused += 1
            if !isSecure { refuse(accepted) }
            return
        }
        var endpoint: TLSEndpoint?
        if isSecure {
            guard let tlsContext,
                let secured = try? TLSEndpoint(
                    context: tlsContext, maximumPendingOutput: settings.maximumQueuedBytes)
            else {
                counters.refused += 1
                return
            }
            endpoint = secured
        }
        let identifier = nextIdentifier
        nextIdentifier += 1
        counters.accepted += 1
        let connection = HTTPConnection(
            accepted, on: eventLoop, tls: endpoint, settings: settings, router: router
        ) { event in
            self.handle(event, of: identifier)
        }
        entries[identifier] = Entry(connection: connection, address: address, isCounted: isCounted)
        if isCounted { connectionsByAddress[address, default: 0] += 1 }
        connection.start()
    }

    private func handle(_ event: HTTPConnection.Event, of identifier: UInt64) {
        switch event {
        case .requested(let request):
            counters.requests += 1
            entries[identifier]?.task = Task { await answer(request, of: identifier) }
        case .abandoned:
            entries[identifier]?.task?.cancel()
        case .accessed(let access):
            settings.onAccess(access)
        case .closed:
            remove(identifier)
        }
    }

    private func answer(_ request: HTTPRequest, of identifier: UInt64) async {
        var response = await router.respond(to: request)
        settings.responses.apply(to: &response, request: request)
        // The client may have gone meanwhile, and with it the entry.
        guard let entry = entries[identifier] else {
            if case .stream(let stream) = response.body { stream.cancel() }
            return
        }
        entries[identifier]?.task = nil
        entry.connection.respond(response)
        if isStopping { entry.connection.shutDown() }
    }

    private func remove(_ identifier: UInt64) {
        guard let entry = entries.removeValue(forKey: identifier) else { return }
        entry.task?.cancel()
        if entry.isCounted {
            let left = connectionsByAddress[entry.address, default: 1] - 1
            connectionsByAddress[entry.address] = left > 0 ? left : nil
        }
        guard entries.isEmpty else { return }
        let waiters = idleWaiters
        idleWaiters = []
        for waiter in waiters { waiter.resume() }
    }

    /// IPv6 clients own a /64.
    private static func countedAddress(_ address: SocketAddress) -> SocketAddress {
        var counted = address.withPort(0)
        if counted.isIPv6 { counted.low = 0 }
        return counted
    }

    private func refuse(_ accepted: consuming AcceptedSocket) {
        guard refusals.count < Self.maximumRefusals else { return }
        let identifier = nextIdentifier
        nextIdentifier += 1
        let connection = TCPConnection(accepted, on: eventLoop)
        refusals[identifier] = connection
        connection.start(onData: { _ in }, onClosed: { _ in self.refusals[identifier] = nil })
        var response = HTTPResponse.problem(503, detail: "The server has too many connections. Try again later.")
        response.headers["Retry-After"] = "5"
        settings.responses.apply(to: &response, request: nil)
        var output: [UInt8] = []
        _ = ResponseSerializer.write(
            response,
            ResponseSerializer.Context(
                method: .get, version: .http11, isPersistent: false,
                date: HTTPDate.format(eventLoop.now, by: eventLoop.wallClock)), into: &output)
        _ = connection.write(output)
        connection.close(afterFlush: true)
    }
}
