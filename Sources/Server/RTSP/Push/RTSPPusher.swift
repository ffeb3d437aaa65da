import Loop
import RTP
import RTSP
import Secure
import Streams
import Synchronization
import Wire

/// One attempt to push a room's media to another RTSP server: a connection from its first byte to its end, on the
/// room's loop. It reads the room as the server's own RTSP readers do, so a slow target loses packets until a keyframe
/// and delays nobody.
actor RTSPPusher: LoopActor, ViewerHandle {
    /// How it ended.
    struct Outcome: Sendable {
        var hasSent = false
        /// For the operator's log.
        var reason: String
        /// Where the server sent the client.
        var redirection: RTSPURL?
    }

    nonisolated let peerID: PeerID
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    /// Room in the queue above the packets' share: for one more turn's packets, requests and reports.
    private static let reserveBytes = 768 * 1_024
    private static let packetBytes = 1_450
    private static let acknowledgementMilliseconds: Int32 = 20_000

    private let entry: RoomEntry
    private let formats: [TrackFormat]
    private let service: RTSPService
    private let address: SocketAddress
    private let trust: TLSClientContext?
    private let session: RTSPClientSession
    /// The ports of this side, for targets that are sent datagrams.
    private let ports: [UDPSocket]
    private let arena: SendArena
    private let queueLimit: Int
    private var scratch: [UInt8] = []
    private(set) var isSending = false
    private var isStopping = false
    private var outcome: Outcome?
    private var waiter: CheckedContinuation<Outcome, Never>?

    /// - Parameters:
    ///   - formats: what the room has now, in the order of its description.
    ///   - ports: a pair of bound sockets for each track to send datagrams from; none for TCP.
    init(
        to url: RTSPURL, at address: SocketAddress, trusting trust: TLSClientContext?, from entry: RoomEntry,
        formats: [TrackFormat], ports: [UDPSocket], service: RTSPService
    ) {
        peerID = service.webrtc.newPeerID()
        eventLoop = entry.loop
        self.entry = entry
        self.formats = formats
        self.service = service
        self.address = address
        self.trust = trust
        self.ports = ports
        arena = SendArena(on: entry.loop)
        let settings = service.settings()
        queueLimit = settings.writeQueueSize * Self.packetBytes
        var configuration = RTSPClientMachine.Configuration(url: url)
        configuration.purpose = .publish(
            description: RTSPDescriptionWriter.write(
                room: entry.room.name, formats: formats, version: entry.numericID),
            controls: formats.indices.map { RTSPTarget.control(ofTrack: $0) })
        configuration.responseTimeoutSeconds = max(1, settings.readTimeout.wholeSeconds)
        if !ports.isEmpty {
            configuration.delivery = .udp
            configuration.clientPorts = stride(from: 0, to: ports.count - 1, by: 2).map {
                RTSPPortPair(rtp: ports[$0].localAddress.port, rtcp: ports[$0 + 1].localAddress.port)
            }
        }
        session = RTSPClientSession(configuration, hash: service.hash, on: entry.loop)
    }

    /// Connects, sends, and returns when it is over.
    func run() async -> Outcome {
        guard !isStopping else { return Outcome(reason: "stopped") }
        service.clientCounters.pushAttempts.wrappingAdd(1, ordering: .relaxed)
        do {
            var settings = TCPConnectionSettings()
            settings.maximumQueuedBytes = queueLimit + Self.reserveBytes
            settings.acknowledgementMilliseconds = Self.acknowledgementMilliseconds
            try session.start(
                to: address, trusting: trust, settings: settings, onEvent: { [self] in happened($0) },
                onEnd: { [self] in ended($0) })
        } catch {
            ended(RTSPClientSession.End(reason: "\(error)"))
        }
        return await withCheckedContinuation { continuation in
            if let outcome { continuation.resume(returning: outcome) } else { waiter = continuation }
        }
    }

    /// Says goodbye and ends, after two seconds at the latest.
    func stop() {
        isStopping = true
        leave()
        session.stop()
    }

    private func happened(_ event: RTSPClientMachine.Event) {
        guard case .playing(let transports) = event else { return }
        send(as: transports)
    }

    private func send(as transports: [RTSPTransport]) {
        if !ports.isEmpty {
            do throws(LoopError) {
                try arena.onLoop { arena throws(LoopError) in try arena.open(ports) }
            } catch {
                return session.give(up: error.description)
            }
        }
        let readers = RTSPReaders.of(entry, counters: service.counters) { service.webrtc.newPeerID() }
        isSending = true
        service.clientCounters.pushing.wrappingAdd(1, ordering: .relaxed)
        for (format, transport) in zip(formats, transports) {
            guard let way = way(of: transport) else {
                return session.give(up: "the server names no ports to send datagrams to")
            }
            let output = RTSPReaderOutput(peerID: peerID, way: way)
            guard readers.onLoop({ $0.add(self, format, output) }) else {
                return session.give(up: "the room's codec changed")
            }
        }
        service.logger.info(
            "the room is pushed to another server",
            [LogField(.room, entry.room.name), LogField(.remote, address.description)])
    }

    private func way(of transport: RTSPTransport) -> RTSPReaderOutput.Way? {
        if let channels = transport.channels { return .pusher(self, channels) }
        guard let local = session.stream?.localAddress,
            let tuples = RTSPTuples(from: transport, local: local, server: address)
        else { return nil }
        return .datagrams(arena, tuples)
    }

    // MARK: packets

    /// Whether the queue is short enough to begin again after it was too long.
    var hasRoom: Bool { (session.stream?.queuedBytes ?? .max) <= queueLimit / 4 }

    /// Sends media that readers get too; `false` when the target is too slow for it.
    func send(shared bytes: [UInt8]) -> Bool {
        guard let stream = session.stream, stream.queuedBytes <= queueLimit else { return false }
        return stream.write(shared: bytes)
    }

    /// Sends one packet in a frame of its own.
    func send(_ packet: RawSpan, channel: UInt8) -> Bool {
        scratch.removeAll(keepingCapacity: true)
        InterleavedFrame.append(packet, channel: channel, to: &scratch)
        return scratch.withBytes { session.stream?.write($0) ?? false }
    }

    // MARK: end

    private func leave() {
        guard isSending else { return }
        isSending = false
        service.clientCounters.pushing.wrappingSubtract(1, ordering: .relaxed)
        entry.room.onLoop { $0.bridge(RTSPReaders.self) }?.onLoop { $0.remove(peerID) }
    }

    private func ended(_ end: RTSPClientSession.End) {
        let hasSent = isSending
        leave()
        if !hasSent, !isStopping, end.redirection == nil {
            service.clientCounters.pushFailures.wrappingAdd(1, ordering: .relaxed)
        }
        let outcome = Outcome(hasSent: hasSent, reason: end.reason, redirection: end.redirection)
        self.outcome = outcome
        waiter?.resume(returning: outcome)
        waiter = nil
    }

    /// A track changed its codec: what was announced is no longer true.
    nonisolated func end(_ reason: ViewerEnd) {
        eventLoop.execute { self.onLoop { $0.session.give(up: reason.explanation) } }
    }
}

extension RTSPTuples {
    /// Of a track that goes to a server.
    init?(from transport: RTSPTransport, local: SocketAddress, server: SocketAddress) {
        guard let own = transport.clientPorts, let theirs = transport.serverPorts else { return nil }
        rtp = TransportTuple(local: local.withPort(own.rtp), remote: server.withPort(theirs.rtp))
        rtcp = TransportTuple(local: local.withPort(own.rtcp), remote: server.withPort(theirs.rtcp))
    }
}
