import Codecs
import HTTP
import ICE
import Loop
import RTP
import SDP
import Secure
import Streams
import Synchronization
import WebRTC
import Wire

/// A request to publish or to watch, as far as signaling is concerned.
struct SignalingRequest: Sendable {
    var room: RoomSettings
    var offer: [UInt8]
    var remote: SocketAddress
    /// Whether proxies stand between the client and this server.
    var isForwarded: Bool
    /// SHA-256 of the token the request brought; nil without one.
    var tokenDigest: [UInt8]?
    /// Whether a publisher wants to wait behind the one that is there (`?backup`).
    var isBackup = false
    var isSecure: Bool = false
}

/// What a client gets back.
struct SignalingAnswer: Sendable {
    var session: WebRTCSession
    var sdp: String
    var numericID: UInt32
}

/// WHIP and WHEP without HTTP: turns offers into sessions (RFC 9725, draft-ietf-wish-whep-03).
///
/// Whatever fails leaves nothing behind: everything that can be refused is refused before a room, a transport or a
/// place in a table is taken, and what was taken before a later refusal is given back.
final class WebRTCService: Sendable {
    let media: MediaPlane
    let directory: RoomDirectory
    let registry: SessionRegistry
    let peers: PeerBook
    let counterOffers: CounterOffers
    let viewerEvents: ViewerEvents
    let failures = FailureBook()
    let refusals: RefusedOffers
    let endedSessions = EndedSessions()
    private let hub: EventHub
    private let logger: Logger
    private let settings: @Sendable () -> ServerSettings
    private let candidates: Mutex<CandidateSource>
    private let hostNames: HostNames
    private let interfaces: InterfaceAddresses
    private let nextPeer = Atomic<UInt64>(1)
    private let sources: Mutex<RTSPSources?> = Mutex(nil)

    init(
        media: MediaPlane, directory: RoomDirectory, hub: EventHub, logger: Logger, candidates: CandidateSource,
        hostNames: HostNames, interfaces: InterfaceAddresses, peers: PeerBook = PeerBook(),
        settings: @escaping @Sendable () -> ServerSettings
    ) {
        self.media = media
        self.peers = peers
        self.directory = directory
        self.hub = hub
        self.logger = logger
        self.candidates = Mutex(candidates)
        self.hostNames = hostNames
        self.interfaces = interfaces
        self.settings = settings
        let viewerEvents = ViewerEvents(on: directory.eventLoop, directory: directory)
        self.viewerEvents = viewerEvents
        registry = SessionRegistry(limits: SessionLimits(settings())) { viewerEvents.sessionEnded($0, $1) }
        let refusals = RefusedOffers(failures: failures, hub: hub)
        self.refusals = refusals
        counterOffers = CounterOffers(on: directory.eventLoop, registry: registry) { offer in
            refusals.refused(
                .viewer, in: offer.request.room.room, from: offer.request.remote, .negotiationFailed,
                "\(offer.reason); the counter-offer was not answered")
        }
    }

    /// A number for a peer of any protocol.
    func newPeerID() -> PeerID { PeerID(nextPeer.wrappingAdd(1, ordering: .relaxed).oldValue) }

    /// What rooms without publishers are fed from.
    func use(_ sources: RTSPSources?) { self.sources.withLock { $0 = sources } }

    /// Has a room's source play, when it has one, and waits for it.
    func bring(_ room: RoomSettings) async -> RTSPSources.Outcome {
        await sources.withLock { $0 }?.bring(room) ?? .plays
    }

    func use(_ candidates: CandidateSource) { self.candidates.withLock { $0 = candidates } }

    // MARK: publishing

    func publish(_ request: SignalingRequest) async throws(SignalingError) -> SignalingAnswer {
        guard request.room.path.source == .publisher else {
            throw .conflict("the server pulls this room's media itself (source)", retryAfterSeconds: 3_600)
        }
        let offer = try Self.parse(request.offer)
        let draft = try Self.draft(publishing: true)
        let negotiated = try negotiate(offer, .publish, draft, request)
        let ticket = try await admit(.publisher, request)
        do throws(SignalingError) {
            return try await openPublisher(negotiated, draft, request, ticket)
        } catch {
            await registry.abandon(ticket)
            throw error
        }
    }

    func admit(
        _ role: PeerRole, _ request: SignalingRequest
    ) async throws(SignalingError) -> SessionLimits.Ticket {
        do throws(SessionLimits.Refusal) {
            return try await registry.admit(role, room: request.room, from: request.remote)
        } catch {
            throw SignalingError(error)
        }
    }

    private func openPublisher(
        _ negotiated: NegotiatedSession, _ draft: SessionDraft, _ request: SignalingRequest,
        _ ticket: SessionLimits.Ticket
    ) async throws(SignalingError) -> SignalingAnswer {
        let sections = negotiated.sections.compactMap { IngestSection($0) }
        let lanes = negotiated.sections.compactMap { PublicationLane($0) }
        // A room that emptied a moment ago refuses everybody; its name is free for a new one then.
        for _ in 0..<2 {
            let entry: RoomEntry
            do throws(RoomDirectory.DirectoryError) {
                entry = try await directory.open(
                    request.room.room, policy: RoomPolicy(request.room), limit: settings().maxRooms)
            } catch {
                throw SignalingError(error)
            }
            let (transport, description) = makeTransport(negotiated, draft, request, entry, .whip)
            let attempt = attempt(request, .publisher, description)
            let address = address(draft, .publisher, request)
            let publisher = WebRTCPublisher(
                transport: transport, room: entry.room, sections: sections, localSSRC: draft.controlSSRC,
                canonicalName: draft.canonicalName, isBackup: request.isBackup, startedAt: MonotonicClock.now,
                onConnected: { [hub, peers] in
                    peers.connected(description.id)
                    hub.publish(attempt.started())
                },
                onEnd: { [weak self] end, progress in self?.ended(attempt, address, ticket, end, progress) })
            await media.demultiplexer.register(transport)
            peers.add(description)
            do throws(RoomError) {
                try await publisher.start(lanes: lanes)
            } catch {
                peers.remove(description.id)
                media.demultiplexer.removeAll(of: transport)
                guard error == .closed else { throw SignalingError(error) }
                await directory.discard(entry)
                continue
            }
            let session = WebRTCSession(
                id: draft.sessionID, role: .publisher, description: description, peer: .publisher(publisher),
                entityTag: draft.entityTag, ice: AnsweredICE(negotiated),
                tokenDigest: request.tokenDigest, ticket: ticket)
            await registry.add(session)
            return SignalingAnswer(session: session, sdp: negotiated.answerText, numericID: entry.numericID)
        }
        throw .conflict("the room is being closed; try again", retryAfterSeconds: 1)
    }

    // MARK: viewing

    func view(_ request: SignalingRequest) async throws(SignalingError) -> SignalingAnswer {
        let offer = try Self.parse(request.offer)
        switch await bring(request.room) {
        case .plays: break
        case .isSilent: throw .absent("the source of this room does not play", retryAfterSeconds: 5)
        case .tooMany:
            throw .full(
                "the server pulls as many sources of patterns and all_others as it takes (maximumPatterned)",
                retryAfterSeconds: 5)
        }
        guard let entry = await directory.room(named: request.room.room) else {
            throw SignalingError(RoomError.nobodyPublishes)
        }
        let formats = await viewerFormats(of: entry.room)
        guard !formats.isEmpty else { throw SignalingError(RoomError.nobodyPublishes) }
        let draft = try Self.draft(publishing: false)
        let negotiated = try negotiate(offer, .view(formats.map { AvailableTrack($0) }), draft, request)
        let ticket = try await admit(.viewer, request)
        do throws(SignalingError) {
            return try await openViewer(negotiated, draft, request, entry, formats, ticket)
        } catch {
            await registry.abandon(ticket)
            throw error
        }
    }

    func openViewer(
        _ negotiated: NegotiatedSession, _ draft: SessionDraft, _ request: SignalingRequest, _ entry: RoomEntry,
        _ formats: [TrackFormat], _ ticket: SessionLimits.Ticket
    ) async throws(SignalingError) -> SignalingAnswer {
        let (transport, description) = makeTransport(negotiated, draft, request, entry, .whep)
        let downTracks = negotiated.sections.compactMap { section in
            formats.first { $0.kind == section.kind }.flatMap {
                DownTrackFormat(section, track: $0, draft: draft, room: request.room)
            }
        }
        let attempt = attempt(request, .viewer, description)
        let address = address(draft, .viewer, request)
        let viewer = WebRTCViewer(
            transport: transport, room: entry.room, formats: downTracks,
            onConnected: { [hub] in hub.publish(attempt.started()) },
            onEnd: { [weak self] end, progress in self?.ended(attempt, address, ticket, end, progress) })
        await media.demultiplexer.register(transport)
        do throws(RoomError) {
            try await viewer.start()
        } catch {
            media.demultiplexer.removeAll(of: transport)
            throw SignalingError(error)
        }
        let video = negotiated.sections.first { $0.kind == .video && $0.direction.sends }
        let session = WebRTCSession(
            id: draft.sessionID, role: .viewer, description: description, peer: .viewer(viewer),
            entityTag: draft.entityTag, ice: AnsweredICE(negotiated),
            tokenDigest: request.tokenDigest, ticket: ticket,
            videoIndex: video?.index, videoMid: video?.mid ?? "")
        await registry.add(session)
        return SignalingAnswer(session: session, sdp: negotiated.answerText, numericID: entry.numericID)
    }

    // MARK: sessions

    /// Ends a session by its URL; false when there is none.
    func end(_ id: String, _ end: PeerEnd) async -> Bool {
        guard let session = await registry.remove(id, end) else { return false }
        await session.peer.close(end)
        return true
    }

    func endAll(_ end: PeerEnd) async {
        await counterOffers.removeAll()
        await viewerEvents.stop()
        for session in await registry.all { await session.peer.close(end) }
    }

    /// Called on the session's loop when its peer is gone, for whatever reason.
    private func ended(
        _ attempt: SessionAttempt, _ address: SessionAddress, _ ticket: SessionLimits.Ticket, _ end: PeerEnd,
        _ progress: TransportProgress
    ) {
        let now = MonotonicClock.now
        // Before the client can hear of the end: it may ask at once.
        endedSessions.note(address, end, at: now)
        for event in attempt.ended(end, progress: progress, at: now) {
            if case .sessionFailed(let room, let failure) = event { failures.note(failure, in: room, at: now) }
            hub.publish(event)
        }
        peers.remove(attempt.description.id)
        Task { await registry.forget(attempt.description.id, ticket, end) }
    }

    /// Where a client would be told to send.
    func candidateAddresses(for client: SocketAddress, isForwarded: Bool) -> [SocketAddress] {
        interfaces.refresh(at: MonotonicClock.now)
        return candidates.withLock { $0.addresses(for: client, isForwarded: isForwarded) }
    }

    private func attempt(
        _ request: SignalingRequest, _ role: PeerRole, _ description: PeerDescription
    ) -> SessionAttempt {
        let offered = candidates.withLock { $0.endpoints(for: request.remote, isForwarded: request.isForwarded) }
        return SessionAttempt(
            room: request.room.room, role: role, description: description, offered: offered,
            startedAt: MonotonicClock.now)
    }

    private func address(_ draft: SessionDraft, _ role: PeerRole, _ request: SignalingRequest) -> SessionAddress {
        SessionAddress(
            id: draft.sessionID, role: role, room: request.room.room, tokenDigest: request.tokenDigest)
    }

    // MARK: offers

    static func draft(publishing: Bool) throws(SignalingError) -> SessionDraft {
        guard let draft = SessionDraft(publishing: publishing) else {
            throw .failed("no random numbers are to be had from the system")
        }
        return draft
    }

    private static func parse(_ bytes: [UInt8]) throws(SignalingError) -> WebRTCOffer {
        guard !bytes.isEmpty else { throw .malformed("the request has no body; an SDP offer belongs there") }
        let description: SessionDescription
        do throws(SDPError) {
            description = try SessionDescription(parsing: bytes)
        } catch {
            if error.kind == .tooLarge { throw .tooLarge(error.description) }
            throw .malformed("the offer cannot be read: \(error)")
        }
        do throws(NegotiationError) {
            return try WebRTCOffer(description)
        } catch {
            throw SignalingError(error)
        }
    }

    func answerParameters(_ draft: SessionDraft, _ request: SignalingRequest) -> AnswerParameters {
        var parameters = AnswerParameters(
            iceUfrag: draft.credentials.ufrag, icePassword: draft.credentials.password,
            fingerprintSHA256: media.identity.fingerprintSHA256,
            candidates: offeredCandidates(for: request.remote, isForwarded: request.isForwarded),
            sessionID: draft.descriptionID)
        parameters.preferredDTLSRole = settings().webrtcDTLSRole == .active ? .client : .server
        parameters.audioSSRC = draft.audioSSRC
        parameters.videoSSRC = draft.videoSSRC
        parameters.videoRetransmissionSSRC = draft.videoRetransmissionSSRC
        parameters.cname = draft.canonicalName
        return parameters
    }

    private func negotiate(
        _ offer: WebRTCOffer, _ role: NegotiationRole, _ draft: SessionDraft, _ request: SignalingRequest
    ) throws(SignalingError) -> NegotiatedSession {
        let parameters = answerParameters(draft, request)
        do throws(NegotiationError) {
            let negotiated = try offer.negotiate(role, with: parameters)
            for note in negotiated.notes {
                logger.debug(
                    "negotiated with a reservation", [LogField(.room, request.room.room), LogField(.message, note)])
            }
            return negotiated
        } catch {
            throw SignalingError(error)
        }
    }

    /// The candidates a client is told, in an answer or when it restarts ICE.
    func offeredCandidates(for client: SocketAddress, isForwarded: Bool) -> [ICECandidate] {
        let now = MonotonicClock.now
        hostNames.refresh(at: now)
        interfaces.refresh(at: now)
        return candidates.withLock { $0.candidates(for: client, isForwarded: isForwarded) }
    }

    private func makeTransport(
        _ negotiated: NegotiatedSession, _ draft: SessionDraft, _ request: SignalingRequest, _ entry: RoomEntry,
        _ protocol: PeerProtocol
    ) -> (PeerTransport, PeerDescription) {
        let peerID = newPeerID()
        let settings = settings()
        var limits = ICELimits(consentSeconds: settings.webrtcICEConsentTimeout.wholeSeconds)
        limits.connectSeconds = settings.webrtcHandshakeTimeout.wholeSeconds
        let configuration = TransportConfiguration(
            localCredentials: draft.credentials,
            remoteCredentials: negotiated.remoteCredentials,
            remoteFingerprints: negotiated.remoteFingerprints.compactMap { CertificateFingerprint($0) },
            role: negotiated.localDTLSRole, identity: media.identity, iceLimits: limits,
            handshakeSeconds: limits.connectSeconds,
            checkSecret: SecureRandom.bytes(TransportConfiguration.checkSecretLength))
        let transport = PeerTransport(
            peerID: peerID, localUfrag: draft.ufragKey, configuration: configuration, loop: entry.loop,
            arena: entry.arena, demultiplexer: media.demultiplexer, handshakes: media.handshakes(of: entry.loop),
            startedAt: MonotonicClock.now)
        return (transport, PeerDescription(id: peerID, protocol: `protocol`, remote: request.remote))
    }
}

extension NegotiatedSession {
    var remoteCredentials: ICECredentials {
        ICECredentials(ufrag: remoteICEUfrag, password: remoteICEPassword)
    }
}
