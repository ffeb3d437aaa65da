import Loop
import RTSP
import SDP
import Secure
import Streams
import Wire

/// One attempt to pull a room's media from another RTSP server: a connection from its first byte to its end, on the
/// room's loop. What it brings is published as any publisher's.
actor RTSPPuller: LoopActor, PublisherHandle {
    /// How it ended.
    struct Outcome: Sendable {
        var hasPlayed: Bool
        /// For the operator's log.
        var reason: String
        /// Where the server sent the client.
        var redirection: RTSPURL?
    }

    nonisolated let peerID: PeerID
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private static let goodbyeMilliseconds: UInt64 = 2_000

    private let room: Room
    private let settings: RoomSettings
    private let service: RTSPService
    private let address: SocketAddress
    private var machine: RTSPClientMachine
    private var socket: TCPConnection?
    private var timer: (any LoopTimer)?
    private var reportTimer: (any LoopTimer)?
    private var media: [RTSPAnnouncedMedia] = []
    private var publishing: RTSPPublishing?
    private var channels: [RTSPTransport.Channels?] = []
    private var scratch: [UInt8] = []
    private var outcome: Outcome?
    private var waiter: CheckedContinuation<Outcome, Never>?
    private var hasPlayed = false
    private var isStopping = false
    private let onPlaying: @Sendable () -> Void

    init(
        _ url: RTSPURL, at address: SocketAddress, into entry: RoomEntry, settings: RoomSettings, service: RTSPService,
        onPlaying: @escaping @Sendable () -> Void
    ) {
        peerID = service.webrtc.newPeerID()
        eventLoop = entry.loop
        room = entry.room
        self.settings = settings
        self.service = service
        self.address = address
        self.onPlaying = onPlaying
        let configuration = RTSPClientMachine.Configuration(url: url)
        machine = RTSPClientMachine(
            configuration: configuration, hash: service.hash, randomNumber: { SecureRandom.uint64() })
    }

    /// Connects, plays, and returns when it is over.
    func run() async -> Outcome {
        do throws(LoopError) {
            let socket = try TCPConnection.connect(to: address, on: eventLoop)
            self.socket = socket
            let timer = eventLoop.makeTimer(name: "rtsp pull") { [weak self] in self?.onLoop { $0.deadlineReached() } }
            timer.schedule(at: eventLoop.now.advanced(bySeconds: machine.configuration.responseTimeoutSeconds))
            self.timer = timer
            socket.start(
                onConnected: { [self] in
                    machine.start(at: eventLoop.now)
                    drive()
                },
                onData: { [self] bytes in
                    machine.received(bytes, at: eventLoop.now)
                    drive()
                },
                onClosed: { [self] in finish($0.text) })
        } catch {
            return Outcome(hasPlayed: false, reason: error.description)
        }
        return await withCheckedContinuation { continuation in
            if let outcome { continuation.resume(returning: outcome) } else { waiter = continuation }
        }
    }

    /// Says goodbye and ends.
    func stop() {
        guard outcome == nil else { return }
        machine.tearDown(at: eventLoop.now)
        drive()
        guard outcome == nil else { return }
        timer?.schedule(at: eventLoop.now.advanced(byMilliseconds: Self.goodbyeMilliseconds))
        isStopping = true
    }

    private func deadlineReached() {
        if isStopping { return finish("stopped") }
        guard machine.nextDeadline != nil else { return finish("the server does not answer") }
        machine.deadlineReached(at: eventLoop.now)
        drive()
    }

    private func drive() {
        let now = eventLoop.now
        while outcome == nil, let event = machine.nextEvent(at: now) {
            switch event {
            case .send(let bytes): if socket?.write(bytes) != true { finish("the connection is gone") }
            case .described(let description): choose(description, at: now)
            case .playing(let transports): play(transports)
            case .frame(let track, let isControl, let range):
                machine.withFrame(range) { publishing?.received($0, track: track, isControl: isControl, at: now) }
            case .redirected(let url):
                outcome = Outcome(hasPlayed: hasPlayed, reason: "redirected", redirection: url)
                finish("redirected")
            case .failed(let failure): finish(failure.text)
            case .ended: finish("stopped")
            }
        }
        guard outcome == nil, !isStopping else { return }
        if let deadline = machine.nextDeadline { timer?.schedule(at: deadline) }
    }

    /// Takes the tracks that are understood, the first of each kind (RTSP-50, RTSP-Q7).
    private func choose(_ description: [UInt8], at now: Instant) {
        var kinds: Set<MediaKind> = []
        do throws(SDPError) {
            media = try RTSPDescriptionReader.read(description).filter { item in
                item.format.map { kinds.insert($0.kind).inserted } ?? false
            }
        } catch {
            return finish("the description cannot be read: \(error)")
        }
        machine.choose(media.map(\.control), at: now)
    }

    private func play(_ transports: [RTSPTransport]) {
        channels = transports.map(\.channels)
        let publishing = RTSPPublishing(RTSPAnnouncement(room: settings, media: media))
        let lanes = RTSPIngest.lanes(of: media)
        do throws(RoomError) {
            let publication = try room.onLoop { room throws(RoomError) in try room.publish(self, lanes: lanes) }
            publishing.began(in: room, publication, nil, service: service)
        } catch {
            return finish("the room takes no publisher")
        }
        self.publishing = publishing
        hasPlayed = true
        service.hub.publish(.publisherStarted(room: room.name, description))
        let timer = eventLoop.makeTimer(name: "rtsp pull reports") { [weak self] in self?.onLoop { $0.reportsDue() } }
        timer.schedule(at: eventLoop.now.advanced(bySeconds: RTSPPublishing.reportIntervalSeconds))
        reportTimer = timer
        onPlaying()
    }

    /// Some cameras end a session whose reader never reports (RTSP-43).
    private func reportsDue() {
        guard let publishing, let socket else { return }
        for (track, channels) in channels.enumerated() {
            guard let channel = channels?.rtcp, publishing.writeReport(of: track, at: eventLoop.now) else { continue }
            scratch.removeAll(keepingCapacity: true)
            publishing.report.withBytes { InterleavedFrame.append($0, channel: channel, to: &scratch) }
            _ = scratch.withBytes { socket.write($0) }
        }
        reportTimer?.schedule(at: eventLoop.now.advanced(bySeconds: RTSPPublishing.reportIntervalSeconds))
    }

    private func finish(_ reason: String) {
        timer?.cancel()
        reportTimer?.cancel()
        socket?.close(afterFlush: true)
        socket = nil
        if publishing != nil {
            publishing = nil
            let reason = isStopping ? PublicationEnd.stoppedByPublisher : .connectionLost
            room.onLoop { $0.unpublish(peerID, reason: reason) }
            service.hub.publish(.publisherStopped(room: room.name, description, isStopping ? .left : .silent))
        }
        let outcome = outcome ?? Outcome(hasPlayed: hasPlayed, reason: reason)
        self.outcome = outcome
        waiter?.resume(returning: outcome)
        waiter = nil
    }

    private nonisolated var description: PeerDescription {
        PeerDescription(id: peerID, protocol: .rtsp, remote: address)
    }

    // MARK: the room

    nonisolated var origin: String { PeerProtocol.rtsp.rawValue }

    /// RTSP has no way to ask a camera for a keyframe.
    nonisolated func requestKeyframe(_ kind: MediaKind, layer: Int) {}

    nonisolated func wasReplaced() {
        eventLoop.execute { self.onLoop { $0.stop() } }
    }
}

extension TCPCloseReason {
    /// For a log.
    fileprivate var text: String {
        switch self {
        case .requested: "the connection was closed"
        case .peerClosed: "the server closed the connection"
        case .failed(let error): error.description
        case .loopStopped: "the server is stopping"
        }
    }
}

extension RTSPClientMachine.Failure {
    /// For a log: what happened, and what to try.
    fileprivate var text: String {
        switch self {
        case .refused(let method, let status):
            "the server answered \(method.rawValue) with \(status.code) \(status.phrase)"
        case .unauthorized: "the server does not take the user and password of the source's URL"
        case .transportRefused: "the server does not send media inside the connection"
        case .malformed(let problem): problem
        case .noAnswer(let method): "the server does not answer \(method.rawValue)"
        case .noMedia: "the server stopped sending media"
        }
    }
}
