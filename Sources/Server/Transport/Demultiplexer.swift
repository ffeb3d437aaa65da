import ICE
package import Loop
import Synchronization
package import Wire

/// Sends every datagram of the media port to the transport it belongs to (RFC 7983; ICE-1, ICE-2).
///
/// Runs on the loop that receives. Checks (STUN) go by the receiver's half of their USERNAME, everything else by the
/// exact tuple; what belongs to nobody is counted and dropped without an answer. A tuple is first mapped when a check
/// names a known session, so that the handshake that follows at once finds its way; the session itself decides what it
/// accepts from a tuple that has not proved itself. Media from unknown tuples may be a session's that moved: see
/// ``QuietSessions``.
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
        /// Looks for the session that media from an unknown tuple may be of, sessions tried by that, and datagrams for which
        /// there had been too many looks.
        var looks: UInt64 = 0
        var trials: UInt64 = 0
        var limitedLooks: UInt64 = 0
        /// Tuples that sessions asked about by a check of the server's, and what became of them.
        var ownChecks: UInt64 = 0
        var provedByOwnChecks: UInt64 = 0
        var failedOwnChecks: UInt64 = 0
    }

    private struct Mapping {
        var transport: PeerTransport
        /// Whether somebody on the tuple proved to know the session's password.
        var isProven: Bool
        /// Whether the session asked about the tuple by a check of its own.
        var isAwaited = false
        /// The session's in ``quiet``.
        var slot: Int
    }

    private var byTuple: [TransportTuple: Mapping] = [:]
    private var byUfrag: [UfragKey: PeerTransport] = [:]
    /// The fragments of each session: one, and a second one while a restart is under way.
    private var ufrags: [PeerID: [UfragKey]] = [:]
    private var tuples: [PeerID: [TransportTuple]] = [:]
    /// Where each session is in ``quiet``, and whose each of its slots is.
    private var slots: [PeerID: Int] = [:]
    private var bySlot: [Int: PeerTransport] = [:]
    private var quiet: QuietSessions
    /// The copy of a datagram that a session is tried with.
    private var trial = PacketBatch(byteCapacity: 2048, packetCapacity: 1)
    private var mailboxes: [ObjectIdentifier: DatagramMailbox] = [:]
    private var limiter: IntegrityFailureLimiter
    private var statistics = Statistics()
    /// What sessions got where they awaited an answer and did not take for one.
    private let refusedAnswers = Atomic<UInt64>(0)
    private var checkSources = RecentSources()
    private var receivers: [UDPReceiver] = []

    package init(on loop: EventLoop, limiterSeed: UInt64) {
        eventLoop = loop
        limiter = IntegrityFailureLimiter(seed: limiterSeed)
        quiet = QuietSessions(seed: limiterSeed, at: loop.now)
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
                guard let transport = destination(of: datagram.bytes, on: tuple, at: now) else {
                    tryQuietSessions(datagram.bytes, on: tuple, at: now)
                    return
                }
                if transport.eventLoop === eventLoop {
                    transport.receive(&datagram, on: tuple, at: now)
                } else {
                    post(datagram.bytes, to: transport, on: tuple, at: now)
                }
            }
        }
    }

    private func post(
        _ datagram: RawSpan, to transport: PeerTransport, on tuple: TransportTuple, at now: Instant,
        isTrial: Bool = false
    ) {
        let isTaken = mailboxes[ObjectIdentifier(transport.eventLoop)]?
            .append(datagram, for: transport, on: tuple, at: now, isTrial: isTrial)
        if isTaken != true { statistics.mailboxOverflow &+= 1 }
    }

    /// Shows media from an unknown tuple to the sessions that may have moved there; the one whose it is asks by a check of
    /// its own.
    private func tryQuietSessions(_ datagram: RawSpan, on tuple: TransportTuple, at now: Instant) {
        guard byTuple[tuple] == nil else { return }
        let found = quiet.candidates(for: datagram, from: tuple.remote, at: now)
        for index in 0..<found.count {
            guard let transport = bySlot[found[index]] else { continue }
            statistics.trials &+= 1
            guard transport.eventLoop === eventLoop else {
                post(datagram, to: transport, on: tuple, at: now, isTrial: true)
                continue
            }
            // Decrypting spoils the bytes for the next one.
            trial.removeAll()
            guard trial.append(copying: datagram) else { return }
            trial.withMutablePacket(at: 0) { transport.receive(&$0, on: tuple, at: now, isTrial: true) }
            if byTuple[tuple] != nil { return }
        }
    }

    /// Whether a datagram would reach a session, or one would be tried with it; one that does not is counted like any
    /// other.
    package func belongsToSession(_ datagram: RawSpan, on tuple: TransportTuple, at now: Instant) -> Bool {
        destination(of: datagram, on: tuple, at: now) != nil
            || quiet.candidates(for: datagram, from: tuple.remote, at: now).count > 0
    }

    func destination(of datagram: RawSpan, on tuple: TransportTuple, at now: Instant) -> PeerTransport? {
        switch DatagramKind(datagram) {
        case .stun: return destination(ofSTUN: datagram, on: tuple, at: now)
        case .dtls:
            guard let transport = byTuple[tuple]?.transport else {
                statistics.unknownTuple &+= 1
                return nil
            }
            return transport
        case .rtp, .rtcp:
            guard let mapping = byTuple[tuple] else {
                statistics.unknownTuple &+= 1
                return nil
            }
            if mapping.isProven { quiet.heard(mapping.slot, datagram, from: tuple.remote, at: now) }
            return mapping.transport
        case .zrtp, .turnChannel, .unknown:
            statistics.unknownKind &+= 1
            return nil
        }
    }

    private func destination(ofSTUN datagram: RawSpan, on tuple: TransportTuple, at now: Instant) -> PeerTransport? {
        // Answers name nobody. They are awaited on a tuple, or worth nothing.
        if STUNMessage.isAnswer(datagram) {
            guard let mapping = byTuple[tuple], mapping.isAwaited else {
                statistics.unknownTuple &+= 1
                return nil
            }
            return mapping.transport
        }
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
        if mapping == nil { _ = map(tuple, to: transport, isProven: false) }
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

    /// - Returns: whether there was room.
    private func map(_ tuple: TransportTuple, to transport: PeerTransport, isProven: Bool) -> Bool {
        guard let slot = slots[transport.peerID] else { return false }
        var list = tuples[transport.peerID] ?? []
        if list.count >= Self.maximumTuplesPerTransport {
            // Whoever knows a fragment can fill the list from forged addresses; those that prove nothing make room.
            guard let victim = list.firstIndex(where: { byTuple[$0]?.isProven != true }) else { return false }
            forget(list.remove(at: victim))
        }
        list.append(tuple)
        tuples[transport.peerID] = list
        byTuple[tuple] = Mapping(transport: transport, isProven: isProven, slot: slot)
        return true
    }

    // MARK: sessions

    /// Makes a session reachable; to be done before its answer is sent (ICE-Q7).
    func register(_ transport: PeerTransport) {
        tuples[transport.peerID] = []
        let slot = quiet.add()
        slots[transport.peerID] = slot
        bySlot[slot] = transport
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
                if current.isAwaited { statistics.provedByOwnChecks &+= 1 }
                byTuple[tuple]?.isProven = true
                byTuple[tuple]?.isAwaited = false
                return
            }
            guard !current.isProven else { return current.transport.contest(tuple, by: transport) }
            unmap(tuple, of: current.transport)
        }
        _ = map(tuple, to: transport, isProven: true)
    }

    /// `transport` asks about a tuple: answers from there are its own.
    nonisolated func expect(_ tuple: TransportTuple, for transport: PeerTransport) {
        perform { demultiplexer in
            if demultiplexer.byTuple[tuple] == nil { _ = demultiplexer.map(tuple, to: transport, isProven: false) }
            guard demultiplexer.byTuple[tuple]?.transport === transport else { return }
            demultiplexer.byTuple[tuple]?.isAwaited = true
            demultiplexer.statistics.ownChecks &+= 1
        }
    }

    nonisolated func remove(_ tuple: TransportTuple, of transport: PeerTransport) {
        perform { $0.unmap(tuple, of: transport) }
    }

    private func unmap(_ tuple: TransportTuple, of transport: PeerTransport) {
        guard byTuple[tuple]?.transport === transport else { return }
        forget(tuple)
        tuples[transport.peerID]?.removeAll { $0 == tuple }
    }

    private func forget(_ tuple: TransportTuple) {
        if byTuple.removeValue(forKey: tuple)?.isAwaited == true { statistics.failedOwnChecks &+= 1 }
    }

    nonisolated func removeAll(of transport: PeerTransport) {
        perform { demultiplexer in
            for tuple in demultiplexer.tuples.removeValue(forKey: transport.peerID) ?? []
            where demultiplexer.byTuple[tuple]?.transport === transport { demultiplexer.forget(tuple) }
            demultiplexer.forgetUfrags(of: transport)
            guard let slot = demultiplexer.slots.removeValue(forKey: transport.peerID) else { return }
            demultiplexer.bySlot[slot] = nil
            demultiplexer.quiet.remove(slot)
        }
    }

    /// What came where a session awaits an answer is none: like the answers that nobody awaits it belongs to nobody. Any
    /// thread.
    nonisolated func answerRefused() { refusedAnswers.wrappingAdd(1, ordering: .relaxed) }

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
    func latestCheck(from address: SocketAddress, over transport: TransportProtocol) -> Instant? {
        checkSources.latest(from: address, over: transport, at: eventLoop.now)
    }

    var snapshot: Statistics {
        var snapshot = statistics
        snapshot.unknownTuple &+= refusedAnswers.load(ordering: .relaxed)
        snapshot.tuples = byTuple.count
        snapshot.sessions = ufrags.count
        snapshot.ufrags = byUfrag.count
        snapshot.looks = quiet.lookCount
        snapshot.limitedLooks = quiet.limitedCount
        return snapshot
    }
}
