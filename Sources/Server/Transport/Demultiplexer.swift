import ICE
package import Loop
package import Wire

/// Sends every datagram of the media port to the transport it belongs to (RFC 7983; ICE-1, ICE-2).
///
/// Runs on the loop that receives. Checks (STUN) go by the receiver's half of their USERNAME, everything else by the
/// exact tuple; what belongs to nobody is counted and dropped without an answer. A tuple is first mapped when a check
/// names a known session, so that the handshake that follows at once finds its way; the session itself decides what it
/// accepts from a tuple that has not proved itself.
package actor Demultiplexer: LoopActor {
    nonisolated let eventLoop: EventLoop
    package nonisolated var loop: any LoopExecutor { eventLoop }

    /// Tuples one session may occupy: the 8 its agent keeps and as many that still have to prove themselves.
    static let maximumTuplesPerTransport = 16

    struct Statistics: Sendable {
        var datagrams: UInt64 = 0
        var bytes: UInt64 = 0
        var unknownTuple: UInt64 = 0
        var unknownUfrag: UInt64 = 0
        var unknownKind: UInt64 = 0
        /// Checks not looked at because their source failed too many before.
        var limitedChecks: UInt64 = 0
        /// Datagrams dropped because a loop did not take its batch in time.
        var mailboxOverflow: UInt64 = 0
        var tuples = 0
        var sessions = 0
        /// As many as sessions, and one more for each restart under way.
        var ufrags = 0
    }

    private struct Mapping {
        var transport: PeerTransport
        /// Whether a check that knew the session's password came on the tuple.
        var isProven: Bool
    }

    private var byTuple: [TransportTuple: Mapping] = [:]
    private var byUfrag: [UfragKey: PeerTransport] = [:]
    /// The fragments of each session: one, and a second one while a restart is under way.
    private var ufrags: [PeerID: [UfragKey]] = [:]
    private var tuples: [PeerID: [TransportTuple]] = [:]
    private var mailboxes: [ObjectIdentifier: DatagramMailbox] = [:]
    private var limiter: IntegrityFailureLimiter
    private var statistics = Statistics()
    private var checkSources = RecentSources()
    private var receivers: [UDPReceiver] = []

    package init(on loop: EventLoop, limiterSeed: UInt64) {
        eventLoop = loop
        limiter = IntegrityFailureLimiter(seed: limiterSeed)
    }

    /// Starts to receive on `sockets`; other loops get their datagrams through `mailboxes`.
    func start(_ sockets: [UDPSocket], mailboxes: [DatagramMailbox]) throws(LoopError) {
        for mailbox in mailboxes { self.mailboxes[ObjectIdentifier(mailbox.loop)] = mailbox }
        for socket in sockets {
            receivers.append(
                try UDPReceiver(socket, on: eventLoop) { batch in
                    self.receive(&batch)
                })
        }
    }

    func stop() {
        for receiver in receivers { receiver.close() }
        receivers = []
    }

    // MARK: datagrams

    private func receive(_ batch: inout DatagramBatch) {
        let now = eventLoop.now
        for index in 0..<batch.count {
            let tuple = batch.tuple(at: index)
            batch.withMutableBytes(at: index) { datagram in
                statistics.datagrams &+= 1
                statistics.bytes &+= UInt64(datagram.byteCount)
                guard let transport = destination(of: datagram.bytes, on: tuple, at: now) else { return }
                if transport.eventLoop === eventLoop {
                    transport.receive(&datagram, on: tuple, at: now)
                } else if mailboxes[ObjectIdentifier(transport.eventLoop)]?
                    .append(datagram.bytes, for: transport, on: tuple, at: now) != true
                {
                    statistics.mailboxOverflow &+= 1
                }
            }
        }
    }

    /// Whether a datagram would reach a session; one that does not is counted like any other.
    package func belongsToSession(_ datagram: RawSpan, on tuple: TransportTuple, at now: Instant) -> Bool {
        destination(of: datagram, on: tuple, at: now) != nil
    }

    func destination(of datagram: RawSpan, on tuple: TransportTuple, at now: Instant) -> PeerTransport? {
        switch DatagramKind(datagram) {
        case .stun: return destination(ofCheck: datagram, on: tuple, at: now)
        case .dtls, .rtp, .rtcp:
            guard let transport = byTuple[tuple]?.transport else {
                statistics.unknownTuple &+= 1
                return nil
            }
            return transport
        case .zrtp, .turnChannel, .unknown:
            statistics.unknownKind &+= 1
            return nil
        }
    }

    private func destination(ofCheck datagram: RawSpan, on tuple: TransportTuple, at now: Instant) -> PeerTransport? {
        checkSources.note(tuple, at: now)
        guard let ufrag = UfragKey.receiver(of: datagram), let transport = byUfrag[ufrag] else {
            statistics.unknownUfrag &+= 1
            return nil
        }
        let mapping = byTuple[tuple]
        if let mapping, mapping.isProven, mapping.transport === transport { return transport }
        guard limiter.allows(tuple.remote, at: now) else {
            statistics.limitedChecks &+= 1
            return nil
        }
        if mapping == nil { map(tuple, to: transport, isProven: false) }
        return transport
    }

    /// The session that a connection over TCP begins with a check of; nil when it begins with anything else. The
    /// connection is that session's alone, so its tuple is not mapped.
    func session(ofStreamBeginningWith frame: RawSpan, on tuple: TransportTuple) -> PeerTransport? {
        checkSources.note(tuple, at: eventLoop.now)
        guard let ufrag = UfragKey.receiver(of: frame), let transport = byUfrag[ufrag] else {
            statistics.unknownUfrag &+= 1
            return nil
        }
        guard limiter.allows(tuple.remote, at: eventLoop.now) else {
            statistics.limitedChecks &+= 1
            return nil
        }
        return transport
    }

    private func map(_ tuple: TransportTuple, to transport: PeerTransport, isProven: Bool) {
        var list = tuples[transport.peerID] ?? []
        if list.count >= Self.maximumTuplesPerTransport {
            // Whoever knows a fragment can fill the list from forged addresses; those that prove nothing make room.
            guard let victim = list.firstIndex(where: { byTuple[$0]?.isProven != true }) else { return }
            byTuple[list.remove(at: victim)] = nil
        }
        list.append(tuple)
        tuples[transport.peerID] = list
        byTuple[tuple] = Mapping(transport: transport, isProven: isProven)
    }

    // MARK: sessions

    /// Makes a session reachable; to be done before its answer is sent (ICE-Q7).
    func register(_ transport: PeerTransport) {
        tuples[transport.peerID] = []
        use([transport.localUfrag], of: transport)
    }

    /// Makes a session reachable by these fragments and by no others of its own.
    nonisolated func change(ufrags: [UfragKey], of transport: PeerTransport) {
        perform { demultiplexer in
            guard demultiplexer.ufrags[transport.peerID] != nil else { return }
            demultiplexer.use(ufrags, of: transport)
        }
    }

    /// Returns when changes asked for earlier, by whoever knows of this call, are made.
    func settle() {}

    private func use(_ wanted: [UfragKey], of transport: PeerTransport) {
        forgetUfrags(of: transport)
        // Fragments are random, but one that is another session's stays that session's.
        let free = wanted.filter { byUfrag[$0] == nil }
        for ufrag in free { byUfrag[ufrag] = transport }
        ufrags[transport.peerID] = free
    }

    private func forgetUfrags(of transport: PeerTransport) {
        for ufrag in ufrags.removeValue(forKey: transport.peerID) ?? [] { byUfrag[ufrag] = nil }
    }

    /// A tuple proved itself to `transport`. Another session that proved itself on it before keeps it as long as it is
    /// heard there, so that forged checks of a session of one's own take no tuple away from its user.
    nonisolated func add(_ tuple: TransportTuple, for transport: PeerTransport) {
        perform { $0.adopt(tuple, for: transport) }
    }

    private func adopt(_ tuple: TransportTuple, for transport: PeerTransport) {
        guard tuples[transport.peerID] != nil else { return }
        if let current = byTuple[tuple] {
            guard current.transport !== transport else {
                byTuple[tuple]?.isProven = true
                return
            }
            guard !current.isProven else { return current.transport.contest(tuple, by: transport) }
            unmap(tuple, of: current.transport)
        }
        map(tuple, to: transport, isProven: true)
    }

    nonisolated func remove(_ tuple: TransportTuple, of transport: PeerTransport) {
        perform { $0.unmap(tuple, of: transport) }
    }

    private func unmap(_ tuple: TransportTuple, of transport: PeerTransport) {
        guard byTuple[tuple]?.transport === transport else { return }
        byTuple[tuple] = nil
        tuples[transport.peerID]?.removeAll { $0 == tuple }
    }

    nonisolated func removeAll(of transport: PeerTransport) {
        perform { demultiplexer in
            for tuple in demultiplexer.tuples.removeValue(forKey: transport.peerID) ?? []
            where demultiplexer.byTuple[tuple]?.transport === transport { demultiplexer.byTuple[tuple] = nil }
            demultiplexer.forgetUfrags(of: transport)
        }
    }

    /// A check from this source did not know the password.
    nonisolated func checkFailed(from address: SocketAddress) {
        perform { $0.limiter.failed(address, at: $0.eventLoop.now) }
    }

    private nonisolated func perform(_ change: @escaping @Sendable (isolated Demultiplexer) -> Void) {
        if eventLoop.isCurrent {
            onLoop { change($0) }
        } else {
            eventLoop.execute { self.onLoop { change($0) } }
        }
    }

    /// What was read, over all sockets.
    var received: UDPReceiver.Statistics {
        receivers.reduce(UDPReceiver.Statistics()) { $0 + $1.statistics }
    }

    /// When a connectivity check came from this host last, of whatever session.
    func latestCheck(from address: SocketAddress) -> Instant? {
        checkSources.latest(from: address, at: eventLoop.now)
    }

    var snapshot: Statistics {
        var snapshot = statistics
        snapshot.tuples = byTuple.count
        snapshot.sessions = ufrags.count
        snapshot.ufrags = byUfrag.count
        return snapshot
    }
}
