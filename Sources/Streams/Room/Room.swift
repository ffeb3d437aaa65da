public import Wire

/// One stream path: at most one active publisher, those that wait to take its place, its tracks, and any number of viewers.
///
/// The room and its tracks live on one loop, the room's origin. Tracks outlive publishers, so viewers stay through
/// a publisher's restart; when nobody comes back in time their sessions end, and an empty room reports ``RoomEvent/emptied``.
public actor Room: LoopActor {
    public nonisolated let name: String
    public nonisolated let loop: any LoopExecutor

    private(set) var policy: RoomPolicy
    let observer: @Sendable (RoomEvent) -> Void
    let audio: Track
    private let video: Track
    /// The sound in another format; see `Room+Rendition.swift`.
    let rendition: Track
    var converter: (any SoundConverter)?
    var renditionListeners = 0
    var renditionFeed = RenditionFeed()
    /// The publisher that viewers see.
    var active: RoomSource?
    /// The active publication's generation; 0 while there is none.
    private(set) var activeGeneration: UInt32 = 0
    /// Publishers that wait to become the active one, the primary one first.
    var standbys: [RoomSource] = []
    var standbyTimer: (any LoopTimer)?
    private var viewers: [PeerID: any ViewerHandle] = [:]
    /// See `Room+Bridges.swift`.
    var bridges: [PeerID: any ViewerHandle] = [:]
    private var absence: (any LoopTimer)?
    private var generation: UInt32 = 0
    private var isClosed = false

    /// - Parameters:
    ///   - firstTrackID: the room takes this identifier for its video track, the next for its audio track, and the one
    ///     after that for the rendition of the sound.
    ///   - observer: told every change, in order, on the room's loop; must return at once.
    public init(
        name: String, loop: any LoopExecutor, policy: RoomPolicy, firstTrackID: UInt64,
        observer: @escaping @Sendable (RoomEvent) -> Void
    ) {
        self.name = name
        self.loop = loop
        self.policy = policy
        self.observer = observer
        video = Track(
            id: TrackID(firstTrackID), kind: .video, loop: loop, policy: policy, observer: observer)
        audio = Track(id: TrackID(firstTrackID + 1), kind: .audio, loop: loop, observer: observer)
        rendition = Track(id: TrackID(firstTrackID + 2), kind: .audio, loop: loop, observer: observer)
    }

    // MARK: publishing

    /// Lets `publisher` in, atomically: it becomes the room's active one (ending whoever had it, when the policy allows
    /// that), or waits behind it, or nothing changes.
    ///
    /// - Parameters:
    ///   - lanes: at most one per kind; what the publisher will send.
    ///   - isBackup: whether it wants to wait for the room's primary publisher to end or fall silent.
    public func publish(
        _ newcomer: any PublisherHandle, lanes: [PublicationLane], isBackup: Bool = false
    ) throws(RoomError) -> Publication {
        guard !isClosed else { throw .closed }
        let hasPrimary = ([active].compactMap { $0 } + standbys).contains { !$0.isBackup }
        let isBackup = isBackup || policy.standby.everyFurtherPublisherWaits && hasPrimary
        let waits = (active != nil || !standbys.isEmpty) && (isBackup || !hasPrimary)
        if waits, isBackup {
            let limit = policy.standby.maximumBackups
            guard standbys.count(where: \.isBackup) < limit else { throw .tooManyBackups(limit: limit) }
        } else if hasPrimary, !isBackup {
            guard policy.publisherMayBeReplaced else { throw .alreadyPublishing }
        }
        generation &+= 1
        let publication = Publication(generation: generation, lanes: lanes, loop: loop)
        let source = RoomSource(publisher: newcomer, publication: publication, isBackup: isBackup)
        if waits {
            insert(source)
            observer(.standbyJoined(newcomer.peerID, lanes.map(\.format)))
            watchActivePublisher()
        } else if let index = standbys.firstIndex(where: { !$0.isBackup }), !isBackup {
            let former = standbys.remove(at: index)
            insert(source)
            observer(.publisherReplaced(old: former.peerID, new: newcomer.peerID))
            former.publisher.wasReplaced()
        } else {
            if let former = active {
                observer(.publisherReplaced(old: former.peerID, new: newcomer.peerID))
                endPublication(.replaced)
                former.publisher.wasReplaced()
            }
            activate(source)
            observer(.publisherStarted(newcomer.peerID, lanes.map(\.format)))
            watchActivePublisher()
        }
        return publication
    }

    /// Feeds the tracks from `source`.
    ///
    /// - Parameter isSwitch: whether it takes over from one publisher to another without an end in between.
    func activate(_ source: RoomSource, isSwitch: Bool = false) {
        cancelAbsence()
        active = source
        active?.picture = nil
        let (publication, publisher) = (source.publication, source.publisher)
        activeGeneration = publication.generation
        let renditionFormat = source.lane(.audio).flatMap { converter?.rendition(of: $0.format) }
        moveListeners(sound: source.lane(.audio)?.format, rendition: renditionFormat)
        for track in [video, audio] {
            guard let lane = source.lane(track.kind) else {
                track.onLoop { $0.detach() }
                continue
            }
            let known = track.onLoop { $0.format?.codec }
            let ended = track.onLoop {
                $0.attach(publication, lane: lane, publisher: publisher, isSwitch: isSwitch)
            }
            let codec = lane.format.codec
            if let known, known != codec {
                observer(.trackCodecChanged(track.id, from: known, to: codec))
            } else if known == nil {
                observer(.trackAdded(track.id, lane.format))
            }
            for viewer in ended { endViewer(viewer, .codecChanged) }
        }
        if source.lane(.audio) == nil {
            endRendition(isEnd: !isSwitch)
        } else {
            feedRendition(renditionFormat, from: publication, isSwitch: isSwitch)
        }
        if let picture = source.picture, picture.hasKeyframe {
            picture.lendEach { entry, packet in video.onLoop { $0.recall(packet, entry) } }
            video.onLoop { $0.everybodyStartsFromCache() }
        }
    }

    /// The sound of a publication proves to be of another format than was announced, of the same clock (PAY-41). The picture
    /// goes on; who gets the sound itself under its old description is ended.
    public func refine(_ sound: TrackFormat, generation: UInt32) {
        if let index = standbys.firstIndex(where: { $0.publication.generation == generation }) {
            return standbys[index].refine(sound)
        }
        guard activeGeneration == generation, let former = active?.lane(.audio)?.format, former != sound else { return }
        active?.refine(sound)
        for viewer in audio.onLoop({ $0.refine(sound) }) { endViewer(viewer, .codecChanged) }
        let format = converter?.rendition(of: sound)
        guard let active, (format != nil) != (renditionFeed.publication != nil) else { return }
        feedRendition(format, from: active.publication, isSwitch: true)
    }

    /// Ends `peer`'s publication; without effect when another one has taken over since.
    public func unpublish(_ peer: PeerID, reason: PublicationEnd) {
        if let index = standbys.firstIndex(where: { $0.peerID == peer }) {
            standbys.remove(at: index)
            observer(.standbyLeft(peer, reason))
        } else {
            guard active?.peerID == peer else { return }
            endPublication(reason)
        }
        if standbys.isEmpty, active == nil {
            if viewers.isEmpty { closeIfEmpty() } else { startAbsence() }
        } else if active == nil {
            lookAfterStandbys()
        } else {
            watchActivePublisher()
        }
    }

    private func endPublication(_ reason: PublicationEnd) {
        guard let ended = active else { return }
        for track in [video, audio] { track.onLoop { $0.detach() } }
        endRendition()
        active = nil
        activeGeneration = 0
        if reason != .replaced { observer(.publisherStopped(ended.peerID, reason)) }
    }

    // MARK: viewing

    /// The formats that a viewer can ask for now, video first; empty when nobody publishes.
    public var formats: [TrackFormat] {
        guard let source = active ?? standbys.first else { return [] }
        return [MediaKind.video, .audio].compactMap { source.lane($0)?.format }
    }

    /// Lets a viewer in. Its DownTracks are added afterwards with ``Track/add(_:)``.
    public func join(_ viewer: any ViewerHandle) throws(RoomError) {
        guard !isClosed else { throw .closed }
        guard active != nil || !standbys.isEmpty else { throw .nobodyPublishes }
        if let limit = policy.maximumViewers, viewers.count >= limit { throw .full(limit: limit) }
        viewers[viewer.peerID] = viewer
        observer(.viewerJoined(viewer.peerID, viewerCount: viewers.count))
    }

    /// The track a viewer's DownTrack of this kind belongs to.
    public nonisolated func track(_ kind: MediaKind) -> Track { kind == .video ? video : audio }

    /// Ends a viewer's membership and takes its DownTracks away.
    public func leave(_ viewer: PeerID) {
        guard viewers.removeValue(forKey: viewer) != nil else { return }
        for track in [video, audio, rendition] { track.onLoop { $0.remove(viewer) } }
        noteListeners()
        observer(.viewerLeft(viewer, viewerCount: viewers.count))
        closeIfEmpty()
    }

    func endViewer(_ viewer: PeerID, _ reason: ViewerEnd) { (viewers[viewer] ?? bridges[viewer])?.end(reason) }

    // MARK: life

    public func apply(_ policy: RoomPolicy) {
        self.policy = policy
        video.onLoop { $0.apply(policy) }
    }

    /// Ends everybody's session; the room accepts nobody afterwards.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        cancelAbsence()
        let publishers = ([active].compactMap { $0 } + standbys).map(\.publisher)
        endPublication(.closedByServer)
        standbys = []
        standbyTimer?.cancel()
        for publisher in publishers { publisher.wasReplaced() }
        for viewer in viewers.values { viewer.end(.closedByServer) }
        endConversion()
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
        guard active == nil, standbys.isEmpty else { return }
        for viewer in viewers.values { viewer.end(.publisherGone) }
    }

    /// Ends a room in which nobody is, as one that was opened for somebody who did not come.
    public func closeIfEmpty() {
        guard active == nil, standbys.isEmpty, viewers.isEmpty, !isClosed else { return }
        cancelAbsence()
        isClosed = true
        endConversion()
        observer(.emptied)
    }

    public var snapshot: RoomSnapshot {
        var snapshot = RoomSnapshot(
            name: name, publisher: active?.peerID, standbys: standbys.map(\.peerID), formats: formats,
            viewers: Array(viewers.keys),
            packetsReceived: 0, bytesReceived: 0, packetsSent: 0, bytesSent: 0, packetsHeldBack: 0)
        snapshot.origin = active?.publisher.origin
        for track in [video, audio] {
            let statistics = track.onLoop { $0.statistics }
            snapshot.packetsReceived &+= statistics.packetsReceived
            snapshot.bytesReceived &+= statistics.bytesReceived
            snapshot.packetsSent &+= statistics.packetsSent
            snapshot.bytesSent &+= statistics.bytesSent
            snapshot.packetsHeldBack &+= statistics.packetsHeldBack
            snapshot.repairs += statistics.repairs
            snapshot.fastStarts &+= statistics.fastStarts
        }
        // What it received came from the publisher as another format, and was counted there.
        let converted = rendition.onLoop { $0.statistics }
        snapshot.packetsSent &+= converted.packetsSent
        snapshot.bytesSent &+= converted.bytesSent
        snapshot.packetsHeldBack &+= converted.packetsHeldBack
        video.onLoop { video in
            snapshot.keyframeCacheBytes = video.store?.keyframes?.byteCount ?? 0
            snapshot.keyframeCacheOverflows = video.store?.overflows ?? 0
        }
        return snapshot
    }
}
