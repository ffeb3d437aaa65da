import Loop
import RTSP
import SDP
import Secure
import Streams
import Synchronization
import Wire

/// One attempt to pull a room's media from another RTSP server: a connection from its first byte to its end, on the
/// room's loop. What it brings is published as any publisher's, from the first packet on.
actor RTSPPuller: LoopActor, PublisherHandle {
    /// How it ended.
    struct Outcome: Sendable {
        var hasPlayed = false
        /// Whether the server agreed to send, though nothing may have come.
        var hasBegun = false
        var hasOpenedBackChannel = false
        /// For the operator's log.
        var reason: String
        var failure: RTSPClientMachine.Failure?
        /// Where the server sent the client.
        var redirection: RTSPURL?
        /// Whether it may go better without asking for the back channel.
        var mayBeOfBackChannel = false
    }

    /// Where to, how, and whom to tell.
    struct Attempt: Sendable {
        var url: RTSPURL
        var address: SocketAddress
        var delivery: RTSPDelivery
        /// Whether the server's silence at the beginning is not waited out, because media may come another way.
        var isTrying: Bool
        /// Whether readers of the room are to speak to the camera.
        var asksForBackChannel = false
        /// For `rtsps`.
        var trust: TLSClientContext?
        /// Media comes.
        var onPlaying: @Sendable () -> Void
    }

    nonisolated let peerID: PeerID
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    /// How long UDP may bring nothing before TCP is tried (RTSP-40).
    static let trialSeconds: UInt64 = 4
    /// How long sound may take to tell what it is before it is read without.
    private static let configurationMilliseconds: Int64 = 1_000

    private let room: Room
    private let settings: RoomSettings
    private let service: RTSPService
    private let attempt: Attempt
    private let session: RTSPClientSession
    private var sockets: RTSPPullSockets?
    private var reportTimer: (any LoopTimer)?
    private var media: [RTSPAnnouncedMedia] = []
    private var backMedia: RTSPAnnouncedMedia?
    private var backChannel: RTSPBackChannel?
    private var publishing: RTSPPublishing?
    private var clocks = RTSPClockWatch(clockRates: [])
    private var scratch: [UInt8] = []
    private var outcome: Outcome?
    private var waiter: CheckedContinuation<Outcome, Never>?
    private var hasPlayed = false
    /// Since when what comes is published, until it has been told.
    private var publishedAt: Instant?
    private var hasBegun = false
    private var hasOpenedBackChannel = false
    private var isStopping = false

    init(_ attempt: Attempt, into entry: RoomEntry, settings: RoomSettings, service: RTSPService) {
        peerID = service.webrtc.newPeerID()
        eventLoop = entry.loop
        room = entry.room
        self.settings = settings
        self.service = service
        self.attempt = attempt
        var configuration = RTSPClientMachine.Configuration(url: attempt.url)
        configuration.delivery = attempt.delivery
        configuration.requiresBackChannel = attempt.asksForBackChannel
        let patience = max(1, service.settings().readTimeout.wholeSeconds)
        configuration.responseTimeoutSeconds = patience
        configuration.mediaTimeoutSeconds = patience
        configuration.firstMediaTimeoutSeconds = attempt.isTrying ? min(Self.trialSeconds, patience) : patience
        session = RTSPClientSession(configuration, hash: service.hash, on: entry.loop)
    }

    /// Connects, plays, and returns when it is over.
    func run() async -> Outcome {
        guard !isStopping else { return Outcome(reason: "stopped") }
        service.clientCounters.pullAttempts.wrappingAdd(1, ordering: .relaxed)
        do {
            try session.start(
                to: attempt.address, trusting: attempt.trust, settings: TCPConnectionSettings(),
                onEvent: { [self] in happened($0) }, onEnd: { [self] in ended($0) })
        } catch {
            ended(RTSPClientSession.End(reason: "\(error)"))
        }
        return await withCheckedContinuation { continuation in
            if let outcome { continuation.resume(returning: outcome) } else { waiter = continuation }
        }
    }

    /// Says goodbye and ends, after two seconds at the latest (RTSP-52).
    func stop() {
        isStopping = true
        session.stop()
    }

    private func happened(_ event: RTSPClientMachine.Event) {
        switch event {
        case .described(let description): choose(description)
        case .ready(let transports): prepare(transports)
        case .playing:
            hasBegun = true
            openBackChannel()
            startReports()
        case .frame(let track, let isControl, let range):
            session.withFrame(range) { received($0, track: track, isControl: isControl, at: eventLoop.now) }
        case .send, .redirected, .failed, .ended: break
        }
    }

    // MARK: tracks

    /// Takes the tracks that are understood, the first of each kind (RTSP-50, RTSP-Q7).
    private func choose(_ description: [UInt8]) {
        let described: RTSPAnnouncedSession
        do throws(SDPError) {
            described = try RTSPDescriptionReader.session(description)
        } catch {
            return session.give(up: "the description cannot be read: \(error)")
        }
        let choice = RTSPTrackChoice(described.media, takesBackChannel: attempt.asksForBackChannel)
        media = choice.tracks
        for remark in choice.remarks {
            service.logger.info(
                "a track of the source is not pulled", [LogField(.room, room.name), LogField(.reason, remark)])
        }
        backMedia = choice.backChannel
        let controls = (media + [backMedia].compactMap { $0 }).map(\.control)
        let hasBackChannel = backMedia != nil
        guard attempt.delivery == .udp, let stream = session.stream else {
            return session.choose(controls, of: described.control, hasBackChannel: hasBackChannel)
        }
        do throws(LoopError) {
            let sockets = try RTSPPullSockets(
                trackCount: controls.count, local: stream.localAddress, in: settings.rtspUDPSourcePortRange,
                socketSettings)
            self.sockets = sockets
            session.choose(
                controls, of: described.control, clientPorts: sockets.ports, hasBackChannel: hasBackChannel)
        } catch {
            session.give(up: error.description)
        }
    }

    private var socketSettings: UDPSocket.Settings {
        service.settings().udpSocketSettings(usual: RTSPPullSockets.receiveBufferBytes, of: settings.path)
    }

    /// Opens the way for datagrams before the server is asked to send them.
    private func prepare(_ transports: [RTSPTransport]) {
        guard attempt.delivery != .tcp, let stream = session.stream else { return }
        do throws(LoopError) {
            // Multicast groups are known only now.
            if sockets == nil {
                sockets = try RTSPPullSockets(joining: transports, on: stream.localAddress, socketSettings)
            }
            guard let sockets else { return }
            sockets.expect(transports, from: attempt.address, anyPort: settings.rtspAnyPort)
            try sockets.start(on: eventLoop) { [self] track, isControl, packet in
                guard outcome == nil else { return }
                if !isControl { session.heardMedia() }
                received(packet, track: track, isControl: isControl, at: eventLoop.now)
            }
            sockets.open()
        } catch {
            session.give(up: error.description)
        }
    }

    // MARK: media

    private func received(_ packet: RawSpan, track: Int, isControl: Bool, at now: Instant) {
        // Cameras report on what they hear, which concerns nobody.
        guard track < media.count else { return }
        if publishing == nil {
            guard !isControl, !isStopping, outcome == nil else { return }
            publish()
        }
        if !isControl, let timestamp: UInt32 = packet.integer(at: 4),
            clocks.isJump(to: timestamp, track: track, at: now)
        {
            beginAgain()
        }
        publishing?.received(packet, track: track, isControl: isControl, at: now)
        tellPlaying(at: now)
    }

    /// Tells those who wait for the source that it plays. Whoever came before the stream has told what its sound is would be
    /// ended when it does.
    private func tellPlaying(at now: Instant) {
        guard let publishedAt, let publishing else { return }
        guard !publishing.awaitsConfiguration || now.milliseconds(since: publishedAt) >= Self.configurationMilliseconds
        else { return }
        self.publishedAt = nil
        attempt.onPlaying()
    }

    /// What follows has nothing to do with the time before: viewers go on with it as with another publisher's.
    private func beginAgain() {
        service.logger.info(
            "the source's clock jumped; its media begins anew", [LogField(.room, room.name)])
        clocks = RTSPClockWatch(clockRates: media.map(\.clockRate))
        withdraw(.connectionLost, .silent)
        publish()
    }

    private func publish() {
        let publishing = RTSPPublishing(RTSPAnnouncement(room: settings, media: media))
        let lanes = RTSPIngest.lanes(of: media)
        do throws(RoomError) {
            let publication = try room.onLoop { room throws(RoomError) in try room.publish(self, lanes: lanes) }
            publishing.began(in: room, publication, nil, service: service)
        } catch {
            return session.give(up: "the room takes no publisher")
        }
        publishing.onRefined = { [weak self] track, sound in self?.onLoop { $0.media[track].format = sound } }
        self.publishing = publishing
        if !hasPlayed { clocks = RTSPClockWatch(clockRates: media.map(\.clockRate)) }
        hasPlayed = true
        service.clientCounters.playing.wrappingAdd(1, ordering: .relaxed)
        service.hub.publish(.publisherStarted(room: room.name, description))
        publishedAt = eventLoop.now
    }

    // MARK: the other direction

    /// Lets the room's readers speak, if the camera agreed to hear them.
    private func openBackChannel() {
        guard let backMedia, let format = backMedia.format, session.transports.count > media.count else { return }
        let channel = RTSPBackChannel(
            on: eventLoop, backMedia, format, silence: service.settings().rtspTalkSilence,
            ssrc: SecureRandom.uint32(), counters: service.backChannels.counters,
            send: { [weak self] packet in self?.onLoop { $0.speak(packet) } ?? false })
        backChannel = channel
        hasOpenedBackChannel = true
        service.backChannels.open(channel, of: room.name)
        service.logger.info(
            "readers may speak to the camera", [LogField(.room, room.name), LogField(.codec, format.encodingName)])
    }

    private func closeBackChannel() {
        guard let backChannel else { return }
        self.backChannel = nil
        service.backChannels.close(backChannel, of: room.name)
        backChannel.onLoop { $0.end() }
    }

    /// More than this waits for no camera: what is said late is of no use.
    private static let maximumTalkBytes = 64 * 1_024

    private func speak(_ packet: RawSpan) -> Bool {
        let track = media.count
        if let sockets { return sockets.speak(packet, ofTrack: track) }
        guard let stream = session.stream, session.transports.indices.contains(track),
            let channel = session.transports[track].channels?.rtp, stream.queuedBytes <= Self.maximumTalkBytes
        else { return false }
        scratch.removeAll(keepingCapacity: true)
        InterleavedFrame.append(packet, channel: channel, to: &scratch)
        return scratch.withBytes { stream.write($0) }
    }

    private func startReports() {
        let timer = eventLoop.makeTimer(name: "rtsp pull reports") { [weak self] in self?.onLoop { $0.reportsDue() } }
        timer.schedule(at: eventLoop.now.advanced(bySeconds: RTSPPublishing.reportIntervalSeconds))
        reportTimer = timer
    }

    /// Some cameras end a session whose reader never reports (RTSP-43), and firewalls forget a way that is not used.
    private func reportsDue() {
        sockets?.open()
        for (track, transport) in session.transports.enumerated() {
            guard let publishing, publishing.writeReport(of: track, at: eventLoop.now) else { continue }
            if let sockets {
                publishing.report.withBytes { sockets.send($0, ofTrack: track) }
            } else if let stream = session.stream, let channel = transport.channels?.rtcp {
                scratch.removeAll(keepingCapacity: true)
                publishing.report.withBytes { InterleavedFrame.append($0, channel: channel, to: &scratch) }
                _ = scratch.withBytes { stream.write($0) }
            }
        }
        reportTimer?.schedule(at: eventLoop.now.advanced(bySeconds: RTSPPublishing.reportIntervalSeconds))
    }

    // MARK: end

    private func ended(_ end: RTSPClientSession.End) {
        reportTimer?.cancel()
        closeBackChannel()
        if let sockets {
            service.clientCounters.foreignDatagrams.wrappingAdd(sockets.foreignDatagrams, ordering: .relaxed)
            sockets.close()
        }
        sockets = nil
        if isStopping { withdraw(.stoppedByPublisher, .left) } else { withdraw(.connectionLost, .silent) }
        if !hasPlayed, !isStopping, end.redirection == nil {
            service.clientCounters.pullFailures.wrappingAdd(1, ordering: .relaxed)
        }
        let outcome = Outcome(
            hasPlayed: hasPlayed, hasBegun: hasBegun, hasOpenedBackChannel: hasOpenedBackChannel,
            reason: end.reason, failure: end.failure, redirection: end.redirection,
            mayBeOfBackChannel: end.mayBeOfBackChannel)
        self.outcome = outcome
        waiter?.resume(returning: outcome)
        waiter = nil
    }

    private func withdraw(_ end: PublicationEnd, _ reason: EndReason) {
        guard let publishing else { return }
        publishing.count()
        self.publishing = nil
        service.clientCounters.playing.wrappingSubtract(1, ordering: .relaxed)
        room.onLoop { $0.unpublish(peerID, reason: end) }
        service.hub.publish(.publisherStopped(room: room.name, description, reason))
    }

    private nonisolated var description: PeerDescription {
        PeerDescription(id: peerID, protocol: .rtspSource, remote: attempt.address)
    }

    // MARK: the room

    nonisolated var origin: String { PeerProtocol.rtspSource.rawValue }

    /// RTSP has no way to ask a camera for a keyframe.
    nonisolated func requestKeyframe(_ kind: MediaKind, layer: Int) {}

    nonisolated func wasReplaced() {
        eventLoop.execute { self.onLoop { $0.stop() } }
    }
}
