import ICE
import Loop
import RTP
import Secure
import WebRTC
import Wire

/// One WebRTC session's transport on its loop: selected address, keys, and what all its streams share.
///
/// Datagrams enter through ``receive(_:on:at:)``, viewers' packets leave through ``enqueue(_:maximumSize:_:)``; both are
/// synchronous doors of the loop's thread. The state of the connection lives in ``TransportEngine``.
actor PeerTransport: LoopActor, PacketSink {
    nonisolated let peerID: PeerID
    nonisolated let localUfrag: UfragKey
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    /// What this transport moved and dropped, copied out.
    struct Statistics: Sendable {
        var packetsReceived: UInt64 = 0
        var bytesReceived: UInt64 = 0
        var packetsSent: UInt64 = 0
        var bytesSent: UInt64 = 0
        /// Outgoing packets dropped because no address is selected, no keys are there yet, or nothing has been heard of the
        /// client for too many packets.
        var packetsUnsendable: UInt64 = 0
        /// Outgoing packets the send arena had no room for.
        var packetsOverflowed: UInt64 = 0
        var drops = TransportDropCounters()
        var selectedTuple: TransportTuple?
        var profile: SRTPProfile?
        /// nil for transports over which no media is sent.
        var congestion: CongestionController.Statistics?
    }

    let engine: TransportEngine
    nonisolated let arena: SendArena
    let demultiplexer: Demultiplexer
    private let handshakes: HandshakeQueue
    private var receiver: (any TransportOwner)?
    private var timer: (any LoopTimer)?
    var congestion: CongestionController?
    var pacingTimer: (any LoopTimer)?
    private var statistics = Statistics()
    private var control: [UInt8] = []
    private(set) var isClosed = false
    var iceGeneration: ICESessionGeneration

    init(
        peerID: PeerID, localUfrag: UfragKey, configuration: TransportConfiguration, loop: EventLoop, arena: SendArena,
        demultiplexer: Demultiplexer, handshakes: HandshakeQueue, startedAt now: Instant
    ) {
        self.peerID = peerID
        self.localUfrag = localUfrag
        eventLoop = loop
        self.arena = arena
        self.demultiplexer = demultiplexer
        self.handshakes = handshakes
        engine = TransportEngine(configuration, startedAt: now)
        iceGeneration = ICESessionGeneration(localUfrag: localUfrag, remote: configuration.remoteCredentials)
    }

    /// Begins to count time and to deliver to `owner`. The owner is let go when the transport has closed.
    ///
    /// - Parameter congestion: for a viewer, how its link is looked after; nil for a publisher.
    func start(owner: any TransportOwner, congestion: CongestionController.Configuration? = nil) {
        receiver = owner
        self.congestion = congestion.map { CongestionController($0) }
        timer = eventLoop.makeTimer(name: "peer transport") { [weak self] in self?.onLoop { $0.deadlineReached() } }
        armTimer()
    }

    // MARK: in

    /// Takes one datagram from the demultiplexer, decrypting in place.
    nonisolated func receive(
        _ datagram: inout MutableRawSpan, on tuple: TransportTuple, at now: Instant, isTrial: Bool = false
    ) {
        onLoop { $0.process(&datagram, on: tuple, at: now, isTrial: isTrial) }
    }

    private func process(
        _ datagram: inout MutableRawSpan, on tuple: TransportTuple, at now: Instant, isTrial: Bool
    ) {
        guard !isClosed else { return }
        if engine.wouldContinueHandshake(datagram.bytes, on: tuple) {
            let bytes = datagram.bytes
            guard handshakes.onLoop({ $0.admits(bytes, for: self, on: tuple) }) else { return count(datagram) }
        }
        let result = engine.received(&datagram, on: tuple, at: now, isTrial: isTrial)
        // What proved nothing is hardly ever this session's own.
        if result != .stray, result != .refusedAnswer { count(datagram) }
        switch result {
        case .rtp(let byteCount):
            receiver?.transportReceived(rtp: datagram.bytes.extracting(first: byteCount), at: now)
        case .rtcp(let byteCount):
            receiver?.transportReceived(rtcp: datagram.bytes.extracting(first: byteCount), at: now)
        case .consumed, .stray:
            settle()
        case .refusedAnswer:
            demultiplexer.answerRefused()
        case .refusedCheck:
            demultiplexer.checkFailed(from: tuple.remote)
            settle()
        }
    }

    private func count(_ datagram: borrowing MutableRawSpan) {
        statistics.packetsReceived &+= 1
        statistics.bytesReceived &+= UInt64(datagram.byteCount)
    }

    /// Takes a handshake datagram whose turn has come.
    nonisolated func receiveQueued(_ datagram: RawSpan, on tuple: TransportTuple) {
        onLoop { $0.continueHandshake(datagram, on: tuple) }
    }

    private func continueHandshake(_ datagram: RawSpan, on tuple: TransportTuple) {
        guard !isClosed else { return }
        engine.receivedHandshake(datagram, on: tuple, at: eventLoop.now)
        settle()
    }

    /// Another session proved that it is reached over `tuple`, which this one holds: it gets it when this one has not
    /// been heard there for long, as when a client crashed and came back on the same port. Any thread.
    nonisolated func contest(_ tuple: TransportTuple, by challenger: PeerTransport) {
        eventLoop.execute {
            self.onLoop { holder in
                guard !holder.isClosed, holder.engine.releases(tuple, at: holder.eventLoop.now) else { return }
                holder.settle()
                holder.demultiplexer.add(tuple, for: challenger)
            }
        }
    }

    private func deadlineReached() {
        guard !isClosed else { return }
        engine.deadlineReached(at: eventLoop.now)
        settle()
    }

    /// Sends what the engine has to say, acts on what changed and arms the next deadline.
    func settle() {
        engine.drainOutput { tuple, bytes in _ = send(datagram: bytes, along: tuple) }
        while let event = engine.takeEvent() {
            switch event {
            case .tupleAdded(let tuple): if tuple.transport == .udp { demultiplexer.add(tuple, for: self) }
            case .tupleAwaited(let tuple): demultiplexer.expect(tuple, for: self)
            case .tupleRemoved(let tuple): release(tuple)
            case .selected(let tuple): statistics.selectedTuple = tuple
            case .restarted: completeRestart()
            case .connected(let profile):
                statistics.profile = profile
                receiver?.transportConnected()
            case .closed(let reason): finish(reason)
            }
        }
        armTimer()
    }

    func armTimer() {
        guard !isClosed, let deadline = engine.nextDeadline else {
            timer?.cancel()
            return
        }
        if timer?.deadline != deadline { timer?.schedule(at: deadline) }
    }

    // MARK: out

    nonisolated func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        onLoop { $0.pace(packetClass, maximumSize: maximumSize, write) }
    }

    nonisolated func enqueueControl(_ packet: RawSpan) -> Bool {
        onLoop { $0.sendControl(packet) }
    }

    /// Sends a packet at once or lets it wait for its turn.
    private func pace(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        guard let congestion else { return send(packetClass, maximumSize: maximumSize, write) }
        let now = eventLoop.now
        if packetClass == .retransmission, !congestion.admitsRepair(byteCount: maximumSize, at: now) { return false }
        if congestion.passes(packetClass, byteCount: maximumSize, at: now) {
            return send(packetClass, maximumSize: maximumSize, write)
        }
        let isAccepted = congestion.enqueue(packetClass, maximumSize: maximumSize, at: now, write)
        armPacing()
        return isAccepted
    }

    func send(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        guard engine.canSend, let tuple = engine.selectedTuple else {
            statistics.packetsUnsendable &+= 1
            return false
        }
        let now = eventLoop.now
        let byteCount = arena.onLoop(lending: (engine, congestion)) { arena, lent in
            let (engine, congestion) = lent
            var byteCount = 0
            let fitted = arena.append(
                along: tuple, maximumSize: maximumSize + SRTPProfile.maximumTagLength
            ) { output in
                let slots = write(&output)
                congestion?.stamp(
                    packetClass, &output, slots, trailerSize: SRTPProfile.maximumTagLength, at: now)
                if !engine.protect(&output) { output.removeAll() }
                byteCount = output.byteCount
            }
            return fitted ? byteCount : 0
        }
        guard byteCount > 0 else {
            statistics.packetsOverflowed &+= 1
            return false
        }
        statistics.packetsSent &+= 1
        statistics.bytesSent &+= UInt64(byteCount)
        return true
    }

    private func sendControl(_ packet: RawSpan) -> Bool {
        guard engine.isConnected, let tuple = engine.selectedTuple else { return false }
        control.removeAll(keepingCapacity: true)
        control.append(contentsOf: packet)
        guard engine.protectControl(&control) else { return false }
        return control.withBytes { send(datagram: $0, along: tuple) }
    }

    private nonisolated func send(datagram: RawSpan, along tuple: TransportTuple) -> Bool {
        arena.onLoop { arena in
            arena.append(along: tuple, maximumSize: datagram.byteCount) { $0.append(contentsOf: datagram) }
        }
    }

    // MARK: end

    /// Ends the session: the peer gets `farewell` (RTCP, plaintext) and close_notify.
    func close(farewell: [UInt8] = []) {
        guard !isClosed else { return }
        if !farewell.isEmpty { _ = farewell.withBytes { sendControl($0) } }
        engine.close()
        settle()
    }

    private func finish(_ reason: TransportCloseReason) {
        guard !isClosed else { return }
        isClosed = true
        timer?.cancel()
        timer = nil
        pacingTimer?.cancel()
        pacingTimer = nil
        congestion?.removeAll()
        demultiplexer.removeAll(of: self)
        let receiver = receiver
        self.receiver = nil
        receiver?.transportClosed(reason)
    }

    /// How far the session came. For a viewer that includes media; what a publisher sent is known to its ingest.
    var progress: TransportProgress {
        engine.progress == .connected && statistics.packetsSent > 0 ? .media : engine.progress
    }

    var snapshot: Statistics {
        var snapshot = statistics
        snapshot.drops = engine.drops
        snapshot.selectedTuple = engine.selectedTuple
        snapshot.congestion = congestion?.snapshot
        return snapshot
    }
}
