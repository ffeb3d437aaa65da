import Loop
import RTSP
import Secure
import Streams
import Synchronization
import Wire

/// One RTSP client: moves bytes between its socket and its machine, and carries out what requests ask for.
///
/// It begins on the control loop. To play or record it moves to the loop of its room: the socket, the machine with what
/// it has not read yet, and the request being worked on go over to a successor of the same peer.
actor RTSPConnection: LoopActor {
    /// Bytes of requests that may wait while another is worked on; then the client is read no further.
    static let maximumWaitingBytes = 256 * 1_024
    /// Room in the queue above the packets' share: for one more turn's packets, answers and reports.
    private static let reserveBytes = 768 * 1_024
    /// Answers that may wait for a client that plays nothing.
    private static let maximumReplyBytes = 64 * 1_024
    private static let packetBytes = 1_450
    private static let acknowledgementMilliseconds: Int32 = 30_000

    nonisolated let service: RTSPService
    nonisolated let peerID: PeerID
    nonisolated let eventLoop: EventLoop
    nonisolated let remoteAddress: SocketAddress
    nonisolated var loop: any LoopExecutor { eventLoop }

    var machine: RTSPServerMachine
    /// The challenge's nonce, one for each connection.
    let nonce: String
    private var accepted: AcceptedSocket?
    private var handover: TLSHandover?
    /// nil for plain connections.
    private var tls: TLSEndpoint?
    /// nil before the start, at the end, and while a session over UDP has no connection.
    private(set) var socket: TCPConnection?
    private var timer: (any LoopTimer)?
    private var reportTimer: (any LoopTimer)?
    private(set) var isOver = false
    private var end: PeerEnd?
    /// Where the client sees the server.
    private(set) var localAddress: SocketAddress?
    /// Under which the service knows the session, so that another connection can take it up.
    var keptSession: String?
    var kind: RTSPConnectionKind
    /// What the server encrypts this client's media with, in the session that is there or the one to come.
    var mediaKeys: RTSPMediaKeys?
    var security: RTSPSecurity?
    let queueLimit: Int
    /// Whether the log knows that this reader is slow; once is enough.
    var hasToldOfSlowness = false
    /// Whether media may wait in front of the answers: from PLAY until everything is sent once more.
    private var hasMediaQueued = false
    /// Whether it is counted as one that has asked for nothing yet.
    var isHalfOpen = false
    private var scratch: [UInt8] = []

    /// What comes over UDP for this connection.
    var registered: [TransportTuple] = []
    /// Where datagrams along a tuple really come from, when that is not the port that was announced.
    private var found: [TransportTuple: SocketAddress] = [:]
    /// What was announced, and after RECORD where it goes.
    var publishing: RTSPPublishing?
    /// What is read, and after PLAY from where.
    var reading: RTSPReading?

    init(
        service: RTSPService, peerID: PeerID, on loop: EventLoop, machine: consuming RTSPServerMachine,
        socket: consuming AcceptedSocket, tls: TLSHandover? = nil, nonce: String? = nil,
        kind: RTSPConnectionKind = .undecided(RTSPConnectionFront()), mediaKeys: RTSPMediaKeys? = nil
    ) {
        self.service = service
        self.peerID = peerID
        eventLoop = loop
        remoteAddress = socket.remoteAddress
        self.machine = machine
        accepted = consume socket
        handover = tls
        self.nonce = nonce ?? WebRTCSession.newID()
        self.kind = kind
        self.mediaKeys = mediaKeys
        queueLimit = service.settings().writeQueueSize * Self.packetBytes
    }

    // MARK: socket

    /// Begins to read. Loop only, once.
    func start() {
        guard let accepted = accepted.take() else { return }
        var settings = TCPConnectionSettings()
        settings.maximumQueuedBytes = queueLimit + Self.reserveBytes
        settings.acknowledgementMilliseconds = Self.acknowledgementMilliseconds
        let socket = TCPConnection(accepted, on: eventLoop, settings: settings)
        self.socket = socket
        localAddress = socket.localAddress
        tls = handover?.take()
        if timer == nil { timer = eventLoop.makeTimer(name: "rtsp deadline") { self.deadlineReached() } }
        service.keep(self)
        kind.outputTunnel?.setOutput(self)
        socket.start(
            onData: { [self] in received($0) },
            onEndOfInput: { [self] in inputEnded() },
            onClosed: { [self] reason in closed(reason, of: socket) })
        drive()
    }

    var isSecure: Bool { tls != nil }

    private func received(_ bytes: RawSpan) {
        guard let tls else {
            receivedPlaintext(bytes)
            return drive()
        }
        tls.received(bytes)
        tls.drainPlaintext { receivedPlaintext($0) }
        sendCiphertext(of: tls)
        switch tls.state {
        case .failed, .halfClosed: socket?.close(afterFlush: true)
        case .handshaking, .open, .closed: break
        }
        drive()
    }

    // MARK: writing

    func write(_ bytes: [UInt8]) -> Bool {
        guard tls == nil else { return bytes.withBytes { write($0) } }
        return socket?.write(bytes) ?? false
    }

    /// Sends an answer. A client that asks on and on and reads nothing is ended before its answers fill any memory.
    private func reply(_ bytes: [UInt8]) {
        guard let socket else { return }
        if machine.session?.isActive == true {
            hasMediaQueued = true
        } else if socket.queuedBytes == 0 {
            hasMediaQueued = false
        }
        let media = hasMediaQueued ? queueLimit + Self.reserveBytes : 0
        guard socket.queuedBytes > Self.maximumReplyBytes + media else {
            if !write(bytes) { socket.close() }
            return
        }
        service.counters.unreadReplies.wrappingAdd(1, ordering: .relaxed)
        end = end ?? PeerEnd(.tooSlow, "the client reads no answers")
        socket.close()
    }

    private func write(_ bytes: RawSpan) -> Bool {
        guard let tls else { return socket?.write(bytes) ?? false }
        guard tls.write(bytes) else { return false }
        sendCiphertext(of: tls)
        return true
    }

    private func sendCiphertext(of tls: TLSEndpoint) {
        guard tls.pendingOutput > 0 else { return }
        // Half a record is worth nothing: who cannot take it all is cut off.
        tls.drainCiphertext { if socket?.write($0) != true { socket?.close() } }
    }

    /// Tells the client that this is the end, as far as its kind of connection can.
    private func finish() {
        if let tls {
            tls.close()
            sendCiphertext(of: tls)
        }
        guard let socket else { return over() }
        socket.close(afterFlush: true)
    }

    private func deadlineReached() {
        let now = eventLoop.now
        guard !kind.isTunnelInput else { return }
        if let deadline = machine.nextDeadline, deadline <= now {
            end = end ?? PeerEnd(.silent, "nothing was heard from the client in time")
            if isHalfOpen { service.counters.halfOpenExpired.wrappingAdd(1, ordering: .relaxed) }
            machine.deadlineReached(at: now)
        }
        drive()
    }

    /// Does what the machine wants done, as far as it goes.
    func drive() {
        let now = eventLoop.now
        repeat {
            while !isOver, let event = machine.nextEvent(at: now) { handle(event, at: now) }
        } while !isOver && takeFromTunnel()
        if isHalfOpen, machine.requestCount > 0 || kind.isTunnelInput { settled() }
        // The half of a tunnel that only asks lives as long as the other.
        guard !isOver, !kind.isTunnelInput else { return }
        if machine.isWorking, machine.bufferedBytes > Self.maximumWaitingBytes {
            socket?.pauseReading()
        } else if !machine.isWorking {
            socket?.resumeReading()
        }
        if let deadline = machine.nextDeadline {
            if timer?.deadline == nil || machine.session?.isActive != true { timer?.schedule(at: deadline) }
        } else {
            timer?.cancel()
        }
    }

    private func handle(_ event: RTSPServerMachine.Event, at now: Instant) {
        switch event {
        case .send(let bytes): reply(bytes)
        case .frame(let channel, let range): receivedFrame(channel, range, at: now)
        case .operation(let operation):
            service.counters.requests.wrappingAdd(1, ordering: .relaxed)
            Task { await perform(operation) }
        case .refused(let role, let target, let method, let detail):
            // Whoever names rooms that there cannot be says nothing of the server.
            guard service.settings().room(named: target.path) != nil else { break }
            tellRefusal(
                .negotiationFailed, detail, as: role == .publisher ? .publisher : .viewer, in: target.path,
                method: method)
        case .close: finish()
        }
    }

    func pauseReading() { socket?.pauseReading() }

    func resumeReading() { socket?.resumeReading() }

    // MARK: media

    private func receivedFrame(_ channel: UInt8, _ range: Range<Int>, at now: Instant) {
        guard let (track, isControl) = machine.session?.track(onChannel: channel) else { return }
        machine.withFrame(range) { receivedMedia($0, track: track, isControl: isControl, at: now) }
    }

    /// A datagram of one of the tracks, which is a sign of life too.
    nonisolated func receive(
        _ datagram: inout MutableRawSpan, on tuple: TransportTuple, at now: Instant, isTrial: Bool = false
    ) {
        let bytes = datagram.bytes
        onLoop { $0.receivedDatagram(bytes, on: tuple, at: now) }
    }

    private func receivedDatagram(_ bytes: RawSpan, on tuple: TransportTuple, at now: Instant) {
        guard let session = machine.session, session.isActive,
            let (track, isControl) = session.track(from: tuple.remote.port, to: tuple.local.port)
        else { return }
        machine.heard(at: now)
        receivedMedia(bytes, track: track, isControl: isControl, at: now)
    }

    /// System calls that sent something on the connection since it came to this loop.
    var sendCalls: UInt64 { socket?.statistics.sendCalls ?? 0 }

    /// Where a track's packets travel beside the connection; nil when they do not.
    func tuples(of media: RTSPServerSession.Media) -> RTSPTuples? {
        localAddress.flatMap { RTSPTuples(media.transport, local: $0, remote: remoteAddress) }
    }

    /// What comes along `announced` comes from another port of the client's.
    func found(_ announced: TransportTuple, at remote: SocketAddress) {
        guard registered.contains(announced) else { return }
        found[announced] = remote
    }

    /// Where the client hears of what it sends: the port that its NAT gave it, as far as that is known.
    func reportWay(of media: RTSPServerSession.Media) -> TransportTuple? {
        guard let announced = tuples(of: media)?.rtcp else { return nil }
        return TransportTuple(local: announced.local, remote: found[announced] ?? announced.remote)
    }

    /// Whether one more run may be queued for the client.
    var hasQueueRoom: Bool { (socket?.queuedBytes ?? .max) <= queueLimit }

    /// Sends frames that other readers get too; `false` when the reader is too slow for it.
    func send(shared bytes: [UInt8]) -> Bool {
        guard let socket, socket.queuedBytes <= queueLimit else { return false }
        // Every connection has keys of its own, so there is nothing to share.
        guard tls == nil else { return write(bytes) }
        return socket.write(shared: bytes)
    }

    /// Sends one packet in a frame of its own.
    func send(_ packet: RawSpan, channel: UInt8) -> Bool {
        scratch.removeAll(keepingCapacity: true)
        InterleavedFrame.append(packet, channel: channel, to: &scratch)
        return scratch.withBytes { write($0) }
    }

    /// Has receiver reports sent as long as something is published (RTSP-27).
    func startReports() {
        guard reportTimer == nil else { return }
        let timer = eventLoop.makeTimer(name: "rtsp reports") { self.reportsDue() }
        timer.schedule(at: eventLoop.now.advanced(bySeconds: RTSPPublishing.reportIntervalSeconds))
        reportTimer = timer
    }

    private func reportsDue() {
        guard let publishing, let session = machine.session else { return }
        for media in session.media {
            guard publishing.writeReport(of: media.track, at: eventLoop.now) else { continue }
            if media.transport.isSecure {
                sendProtectedControl(publishing.report, track: media.track)
            } else if let channel = media.transport.channels?.rtcp {
                publishing.report.withBytes { _ = send($0, channel: channel) }
            } else if let way = reportWay(of: media) {
                let report = publishing.report
                service.datagrams?.arena(of: eventLoop).onLoop { $0.send(report, along: way) }
            }
        }
        reportTimer?.schedule(at: eventLoop.now.advanced(bySeconds: RTSPPublishing.reportIntervalSeconds))
    }

    // MARK: moving

    /// Goes on at `loop`: afterwards this object does nothing any more, and the successor carries out `operation`.
    ///
    /// - Returns: `false` when the connection cannot move now, and stays as it is.
    func move(to loop: EventLoop, for operation: RTSPOperation) async -> Bool {
        guard !isOver, let detached = socket?.detach() else { return false }
        isOver = true
        cancelTimers()
        socket = nil
        defer { tls = nil }
        var machine = RTSPServerMachine(
            configuration: RTSPServerMachine.Configuration(), clientHost: "", startedAt: eventLoop.now,
            randomNumber: { 0 })
        swap(&machine, &self.machine)
        let successor = RTSPConnection(
            service: service, peerID: peerID, on: loop, machine: machine, socket: detached,
            tls: tls.map { TLSHandover($0) }, nonce: nonce, kind: kind, mediaKeys: mediaKeys)
        await successor.goOn(publishing?.announced, reading?.offer, operation)
        return true
    }

    private func goOn(_ announced: RTSPAnnouncement?, _ offer: RTSPReaderOffer?, _ operation: RTSPOperation) {
        publishing = announced.map { RTSPPublishing($0) }
        reading = offer.map { RTSPReading($0) }
        start()
        Task { await perform(operation) }
    }

    // MARK: end

    /// Whether the connection is gone, or has gone on elsewhere: nothing is to be begun any more.
    var isGone: Bool { isOver || socket?.isOpen != true }

    /// Ends the connection from this side.
    func close(_ end: PeerEnd) {
        if self.end == nil { self.end = end }
        finish()
        leaveRoom()
    }

    /// Whether what runs goes on without the connection: what travels beside it does, until nothing is heard any more
    /// (RTSP-13) or the client comes back (RTSP-10).
    private var outlivesConnection: Bool { end == nil && keptSession != nil }

    private func inputEnded() {
        guard !outlivesConnection else { return disconnect() }
        close(PeerEnd(.left, "the client closed the connection"))
    }

    private func closed(_ reason: TCPCloseReason, of socket: TCPConnection) {
        guard !isOver, socket === self.socket else { return }
        if case .loopStopped = reason { end = end ?? PeerEnd(reason) }
        guard !outlivesConnection else { return disconnect() }
        if end == nil { end = PeerEnd(reason) }
        over()
    }

    /// Lets go of the connection and keeps the session.
    private func disconnect() {
        let former = socket
        socket = nil
        tls = nil
        former?.close(afterFlush: true)
        service.datagrams?.clientPorts.set(isAbandoned: true, peerID)
        machine.reconnected(at: eventLoop.now)
        drive()
    }

    /// Whether the session waits for its client to connect again.
    var isDisconnected: Bool { !isOver && socket == nil && keptSession != nil }

    /// Goes on over another connection of the client's, beginning with what that one has read already.
    ///
    /// - Returns: `false`, having changed nothing, when the session cannot be taken up.
    func goOn(over parcel: SocketParcel, _ handover: TLSHandover?, _ bytes: [UInt8]) -> Bool {
        guard !isOver, end == nil, keptSession != nil, !machine.isWorking, let socket = parcel.take() else {
            return false
        }
        disconnect()
        accepted = consume socket
        self.handover = handover
        service.datagrams?.clientPorts.set(isAbandoned: false, peerID)
        machine.reconnected(at: eventLoop.now)
        bytes.withBytes { machine.received($0, at: eventLoop.now) }
        start()
        return true
    }

    /// Gives the connection to the owner of the session that it asks for; `false`, and it goes on here, when that did not
    /// take it.
    func hand(to owner: RTSPConnection) async -> Bool {
        guard !isOver, let detached = socket?.detach() else { return false }
        let parcel = SocketParcel(detached)
        socket = nil
        let handover = tls.map { TLSHandover($0) }
        tls = nil
        guard await owner.goOn(over: parcel, handover, machine.unfinished) else {
            // Meanwhile the server may have stopped.
            guard !isOver, let returned = parcel.take() else { return false }
            accepted = consume returned
            self.handover = handover
            start()
            return false
        }
        guard !isOver else { return true }
        isOver = true
        settled()
        cancelTimers()
        service.forget(self)
        return true
    }

    /// Has the connection of a client that takes nothing any more ended, without a farewell, when this turn is over.
    ///
    /// - Returns: `false` when it ends already.
    func cutOff(_ end: PeerEnd) -> Bool {
        guard self.end == nil else { return false }
        self.end = end
        // Whoever asks is in the middle of its readers.
        eventLoop.execute {
            self.onLoop { connection in
                connection.socket?.close()
                connection.leaveRoom()
            }
        }
        return true
    }

    private func over() {
        guard !isOver else { return }
        isOver = true
        settled()
        cancelTimers()
        leaveRoom()
        socket = nil
        if let tunnel = kind.outputTunnel { service.tunnels.close(tunnel) }
        service.forget(self)
    }

    /// Timers keep the connection alive.
    private func cancelTimers() {
        timer?.cancel()
        timer = nil
        reportTimer?.cancel()
        reportTimer = nil
    }

    /// Gives back everything that was taken of the room.
    func leaveRoom(_ end: PeerEnd? = nil) {
        let end = end ?? self.end ?? PeerEnd(.left, "the client ended its session")
        reportTimer?.cancel()
        reportTimer = nil
        if !registered.isEmpty, let datagrams = service.datagrams {
            let (peerID, registered) = (peerID, registered)
            Task { await datagrams.receiver.unregister(peerID, registered) }
            self.registered = []
            found = [:]
        }
        service.datagrams?.clientPorts.release(peerID)
        forgetSession()
        security = nil
        publishing?.leave(self, end)
        publishing = nil
        reading?.leave(self, end)
        reading = nil
    }
}

extension PeerEnd {
    init(_ reason: TCPCloseReason) {
        switch reason {
        case .requested: self.init(.left, "the session ended")
        case .peerClosed: self.init(.left, "the client closed the connection")
        // Clients that close with packets unread reset the connection.
        case .failed(let error) where error.isReset: self.init(.left, "the client closed the connection")
        case .failed(let error): self.init(.silent, "the connection broke: \(error.description)")
        case .loopStopped: self.init(.serverStopping, "the server is stopping")
        }
    }
}
