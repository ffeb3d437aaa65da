public import Wire

/// One stream path: at most one active publisher, its tracks, and any number of viewers.
///
/// The room and its tracks live on one loop, the room's origin. Tracks outlive publishers, so viewers stay through
/// a publisher's restart; when nobody comes back in time their sessions end, and an empty room reports ``RoomEvent/emptied``.
public actor Room: LoopActor {
    public nonisolated let name: String
    public nonisolated let loop: any LoopExecutor

    private var policy: RoomPolicy
    private let observer: @Sendable (RoomEvent) -> Void
    private let audio: Track
    private let video: Track
    private var publisher: (any PublisherHandle)?
    private var publication: Publication?
    private var viewers: [PeerID: any ViewerHandle] = [:]
    private var absence: (any LoopTimer)?
    private var generation: UInt32 = 0
    private var isClosed = false

    /// - Parameters:
    ///   - firstTrackID: the room takes this identifier for its video track and the next for its audio track.
    ///   - observer: told every change, in order, on the room's loop; must return at once.
    public init(
        name: String, loop: any LoopExecutor, policy: RoomPolicy, firstTrackID: UInt64,
        observer: @escaping @Sendable (RoomEvent) -> Void
    ) {
        self.name = name
        self.loop = loop
        self.policy = policy
        self.observer = observer
        video = Track(id: TrackID(firstTrackID), kind: .video, loop: loop, observer: observer)
        audio = Track(id: TrackID(firstTrackID + 1), kind: .audio, loop: loop, observer: observer)
    }

    // MARK: publishing

    /// Makes `publisher` the room's active one, atomically: either it takes the room (ending whoever had it, when the
    /// policy allows that) or nothing changes.
    ///
    /// - Parameter lanes: at most one per kind; what the publisher will send.
    public func publish(_ newcomer: any PublisherHandle, lanes: [PublicationLane]) throws(RoomError) -> Publication {
        guard !isClosed else { throw .closed }
        if let current = publisher {
            guard policy.publisherMayBeReplaced else { throw .alreadyPublishing }
            observer(.publisherReplaced(old: current.peerID, new: newcomer.peerID))
            endPublication(.replaced)
            current.wasReplaced()
        }
        cancelAbsence()
        generation &+= 1
        let publication = Publication(generation: generation, lanes: lanes, loop: loop)
        self.publication = publication
        publisher = newcomer
        for lane in lanes {
            let ended = track(lane.format.kind).onLoop { $0.attach(publication, lane: lane, publisher: newcomer) }
            for viewer in ended { viewers[viewer]?.end(.codecChanged) }
        }
        observer(.publisherStarted(newcomer.peerID, lanes.map(\.format)))
        return publication
    }

    /// Ends `peer`'s publication; without effect when another one has taken over since.
    public func unpublish(_ peer: PeerID, reason: PublicationEnd) {
        guard publisher?.peerID == peer else { return }
        endPublication(reason)
        if viewers.isEmpty {
            closeIfEmpty()
        } else {
            startAbsence()
        }
    }

    private func endPublication(_ reason: PublicationEnd) {
        guard let publisher else { return }
        for track in [video, audio] { track.onLoop { $0.detach() } }
        self.publisher = nil
        publication = nil
        if reason != .replaced { observer(.publisherStopped(publisher.peerID, reason)) }
    }

    // MARK: viewing

    /// The formats that a viewer can ask for now, video first; empty when nobody publishes.
    public var formats: [TrackFormat] {
        guard let publication else { return [] }
        return [MediaKind.video, .audio].compactMap { kind in
            publication.lanes.first { $0.format.kind == kind }?.format
        }
    }

    /// Lets a viewer in. Its DownTracks are added afterwards with ``Track/add(_:)``.
    public func join(_ viewer: any ViewerHandle) throws(RoomError) {
        guard !isClosed else { throw .closed }
        guard publication != nil else { throw .nobodyPublishes }
        if let limit = policy.maximumViewers, viewers.count >= limit { throw .full(limit: limit) }
        viewers[viewer.peerID] = viewer
        observer(.viewerJoined(viewer.peerID, viewerCount: viewers.count))
    }

    /// The track a viewer's DownTrack of this kind belongs to.
    public nonisolated func track(_ kind: MediaKind) -> Track { kind == .video ? video : audio }

    /// Ends a viewer's membership and takes its DownTracks away.
    public func leave(_ viewer: PeerID) {
        guard viewers.removeValue(forKey: viewer) != nil else { return }
        for track in [video, audio] { track.onLoop { $0.remove(viewer) } }
        observer(.viewerLeft(viewer, viewerCount: viewers.count))
        closeIfEmpty()
    }

    // MARK: life

    public func apply(_ policy: RoomPolicy) { self.policy = policy }

    /// Ends everybody's session; the room accepts nobody afterwards.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        cancelAbsence()
        let publisher = publisher
        endPublication(.closedByServer)
        publisher?.wasReplaced()
        for viewer in viewers.values { viewer.end(.closedByServer) }
    }

    private func startAbsence() {
        let timer = loop.makeTimer { [weak self] in self?.onLoop { $0.absenceEnded() } }
        timer.schedule(at: loop.now.advanced(byNanoseconds: policy.publisherAbsenceNanoseconds))
        absence = timer
    }

    private func cancelAbsence() {
        absence?.cancel()
        absence = nil
    }

    private func absenceEnded() {
        absence = nil
        guard publisher == nil else { return }
        for viewer in viewers.values { viewer.end(.publisherGone) }
    }

    private func closeIfEmpty() {
        guard publisher == nil, viewers.isEmpty, !isClosed else { return }
        cancelAbsence()
        isClosed = true
        observer(.emptied)
    }

    public var snapshot: RoomSnapshot {
        var snapshot = RoomSnapshot(
            name: name, publisher: publisher?.peerID, formats: formats, viewers: Array(viewers.keys),
            packetsReceived: 0, bytesReceived: 0, packetsSent: 0, bytesSent: 0, packetsHeldBack: 0)
        for track in [video, audio] {
            let statistics = track.onLoop { $0.statistics }
            snapshot.packetsReceived &+= statistics.packetsReceived
            snapshot.bytesReceived &+= statistics.bytesReceived
            snapshot.packetsSent &+= statistics.packetsSent
            snapshot.bytesSent &+= statistics.bytesSent
            snapshot.packetsHeldBack &+= statistics.packetsHeldBack
            snapshot.repairs += statistics.repairs
        }
        return snapshot
    }
}
