import Codecs
public import RTP
public import Wire

/// A slot of the room, its video or its audio, that outlives publishers.
///
/// Packets of the active publication come in; every viewer's ``DownTrack`` gets them at the end of the turn. All of it
/// happens on the room's loop: the publisher's transport enters through ``receive(_:header:layer:generation:at:)``.
public actor Track: LoopActor {
    public nonisolated let id: TrackID
    public nonisolated let kind: MediaKind
    public nonisolated let loop: any LoopExecutor

    /// The format of the publication that feeds the track, or of the last one that did.
    public private(set) var format: TrackFormat?
    public private(set) var statistics = TrackStatistics()

    private(set) var publication: Publication?
    private var publisher: (any PublisherHandle)?
    private var extensions = HeaderExtensionMap()
    /// What is measured of the encodings, and what viewers can be given of them.
    var layers = TrackLayers()
    private(set) var downTracks: [DownTrack] = [] { didSet { positions = nil } }
    /// Where each viewer's is among them; made again when asked for after a change. Every feedback of every viewer asks.
    private var positions: [PeerID: Int]?
    let observer: @Sendable (RoomEvent) -> Void
    private var run = PacketRun()
    /// The most packets that are repeated behind the first of their keyframe without others having come meanwhile.
    static let repeatLimit = 256
    /// How many may be repeated now: every packet that comes allows one, so that a publisher cannot multiply the work.
    private var repeatsLeft = 0
    /// The keyframe whose early packets have been repeated last.
    private var repeated: (layer: Int, timestamp: UInt32)?
    /// What the track received lately: of video from the beginning, else from when the first viewer came that can ask for it
    /// again.
    var store: PacketStore?
    /// Whether viewers may begin at cached keyframes.
    private(set) var cachesKeyframes: Bool
    var answers = KeyframeAnswers(canBeAsked: true)
    private var recovery: RecoveryStart
    /// Of each layer.
    private var sources: [EncodingSource] = []
    /// Of each layer of H.264, H.265 and AV1.
    private var parameterSets: [LayerParameterSets] = []
    /// For those who take frames.
    var frames = TrackFrames()
    var fastStartTimer: (any LoopTimer)?
    /// Where the next round among the viewers that catch up begins.
    var fastStartTurn = 0
    /// When viewers are told the capture time again, by encoding; empty while no viewer wants to know.
    private var captureTimesDue: [Instant] = []
    private static let captureTimeIntervalMilliseconds: UInt64 = 500
    private var spacing = KeyframeSpacing()
    private var flushHook: (any TurnHook)?
    private var reportTimer: (any LoopTimer)?
    private var report: [UInt8] = []

    /// How often sender reports go out (RTP-72): the first at once, then at this interval.
    private nonisolated var reportIntervalMilliseconds: UInt64 { kind == .video ? 1_000 : 5_000 }
    /// Audio reports fall half a second away from video's, and stay there, so that a viewer's periodic reports never
    /// come within 50 ms of each other (RTP-78).
    private nonisolated var firstReportMilliseconds: UInt64 { kind == .video ? 1_000 : 4_500 }
    private var nextReport = Instant(nanoseconds: 0)

    /// - Parameters:
    ///   - policy: says where viewers of video may begin.
    ///   - observer: told when layers change, on the loop; must return at once.
    init(
        id: TrackID, kind: MediaKind, loop: any LoopExecutor, policy: RoomPolicy = RoomPolicy(),
        observer: @escaping @Sendable (RoomEvent) -> Void = { _ in }
    ) {
        self.id = id
        self.kind = kind
        self.loop = loop
        cachesKeyframes = policy.cachesKeyframes
        recovery = RecoveryStart(
            canAskForKeyframes: true, patienceNanoseconds: policy.recoveryPointPatienceNanoseconds,
            at: Instant(nanoseconds: 0))
        self.observer = observer
    }

    // MARK: publications

    /// Feeds the track from `publication` from now on.
    ///
    /// - Parameter isSwitch: whether viewers go over from one publisher to another, which is no end to tell them of.
    /// - Returns: the viewers that cannot follow, because they negotiated another codec; their DownTracks are gone.
    func attach(
        _ publication: Publication, lane: PublicationLane, publisher: any PublisherHandle, isSwitch: Bool = false
    ) -> [PeerID] {
        detach(isEnd: !isSwitch)
        self.publication = publication
        self.publisher = publisher
        format = lane.format
        extensions = lane.extensions
        beginStore(layerCount: lane.layerCount)
        answers = KeyframeAnswers(canBeAsked: lane.answersKeyframeRequests)
        frames.begin(lane.format, of: id)
        recovery = RecoveryStart(
            canAskForKeyframes: lane.answersKeyframeRequests, patienceNanoseconds: recovery.patienceNanoseconds,
            at: loop.now)
        sources = Array(repeating: EncodingSource(), count: lane.layerCount)
        parameterSets = (0..<lane.layerCount).map { _ in LayerParameterSets(lane) }
        repeatsLeft = 0
        repeated = nil
        layers = TrackLayers(lane)
        startTimers()
        let stranded = downTracks.filter { !$0.format.track.isInterchangeable(with: lane.format) }.map(\.viewer)
        downTracks.removeAll { !$0.format.track.isInterchangeable(with: lane.format) }
        for downTrack in downTracks { downTrack.sourceChanged(encodings: layers.names) }
        captureTimesDue = []
        if downTracks.contains(where: { $0.format.extensions[.absCaptureTime] != nil }) { tellCaptureTimes() }
        if !downTracks.isEmpty { requestKeyframe() }
        return stranded
    }

    /// What feeds the track proves to be of another format.
    ///
    /// - Returns: the viewers that cannot follow; their DownTracks are gone.
    func refine(_ format: TrackFormat) -> [PeerID] {
        flush()
        self.format = format
        frames.begin(format, of: id)
        return takeDownTracks { !$0.isInterchangeable(with: format) }.map(\.viewer)
    }

    /// Stops feeding the track. Viewers keep their numbering for the next publication.
    ///
    /// - Parameter isEnd: whether viewers are told with a BYE, because nothing follows for now.
    func detach(isEnd: Bool = true) {
        guard publication != nil else { return }
        flush()
        for downTrack in downTracks {
            if isEnd { downTrack.sendGoodbye(into: &report) }
            downTrack.stopCatchingUp()
        }
        publication = nil
        publisher = nil
        run.removeAll()
        reportTimer?.cancel()
        fastStartTimer?.cancel()
    }

    /// A change of the room's policy.
    func apply(_ policy: RoomPolicy) {
        recovery.patienceNanoseconds = policy.recoveryPointPatienceNanoseconds
        guard kind == .video, policy.cachesKeyframes != cachesKeyframes else { return }
        cachesKeyframes = policy.cachesKeyframes
        beginStore(layerCount: layers.encodings.count)
    }

    /// Whether viewers may begin at a recovery point now, because keyframes fail to come.
    public func beginsAtRecoveryPoints(at now: Instant) -> Bool { recovery.isNeeded(layer: 0, at: now) }

    private func beginStore(layerCount: Int) {
        let cachedLayers = kind == .video && cachesKeyframes ? layerCount : nil
        if store == nil, kind == .video { store = PacketStore(kind) }
        store?.begin(cachedLayers: cachedLayers)
    }

    private func startTimers() {
        if flushHook == nil {
            flushHook = loop.makeTurnHook { [weak self] in self?.onLoop { $0.flush() } }
            reportTimer = loop.makeTimer { [weak self] in self?.onLoop { $0.reportsDue() } }
            fastStartTimer = loop.makeTimer { [weak self] in self?.onLoop { $0.fastStartsDue() } }
        }
        nextReport = loop.now.advanced(byMilliseconds: firstReportMilliseconds)
        reportTimer?.schedule(at: nextReport)
    }

    // MARK: packets in

    /// Takes one packet of the active publication; packets of an earlier one are ignored.
    ///
    /// - Parameters:
    ///   - packet: the whole plaintext packet; copied.
    ///   - layer: which of the lane's encodings it belongs to.
    ///
    /// - Returns: whether a random access point of the layer starts with this packet.
    public func receive(
        _ packet: RawSpan, header: RTPHeader, layer: Int, generation: UInt32, at now: Instant
    ) -> Bool {
        guard let format, let publication, publication.generation == generation,
            layers.encodings.indices.contains(layer), sources[layer].takes(header, at: now)
        else { return false }
        statistics.packetsReceived &+= 1
        statistics.bytesReceived &+= UInt64(packet.byteCount)
        repeatsLeft = min(repeatsLeft + 1, Self.repeatLimit)
        var summary =
            header.isPaddingOnly
            ? .unknown : PayloadInspector.inspect(packet.extracting(header.payload), codec: format.codec)
        var header = header
        // Some cameras set the marker on parameter sets too: a viewer would take each for a frame (PAY-5).
        if summary.precedesSlices { header.marker = false }
        // One that comes twice is no beginning: what follows it has been forwarded already.
        let isInOrder = sources[layer].isInOrder
        var firstPosition: Int64 = -1
        if summary.isKeyframeStart, !isInOrder, kind == .video,
            let found = store?.lookBack(for: header, layer: layer)
        {
            summary.isKeyframeStart = !found.isKnown
            firstPosition = found.firstPosition
        }
        if summary.isRecoveryPoint, recovery.isNeeded(layer: layer, at: now) { summary.isKeyframeStart = true }
        if summary.isKeyframeStart {
            if !summary.isRecoveryPoint { recovery.keyframeReceived(at: now) }
            statistics.keyframes &+= 1
            spacing.keyframeReceived(at: now)
            if kind == .video { answers.keyframeReceived(layer: layer, at: now) }
        }
        var entry = RunEntry(
            header: header, layer: layer, summary: summary,
            captured: publication.onLoop {
                $0.captured(packet, header, kind: kind, layer: layer, arrival: now)
            },
            extensions: HeaderExtensionIndex(header, in: packet, map: extensions), arrival: now)
        entry.isInOrder = isInOrder
        entry.firstPosition = firstPosition
        entry.isBehindItsRepeats = summary.isKeyframeStart && !isInOrder && wasRepeated(entry)
        if captureTimesDue.indices.contains(layer) {
            let captured = publication.onLoop {
                $0.captureTime(entry.captured, entry.extensions, in: packet, kind: kind, layer: layer)
            }
            if summary.isKeyframeStart || now >= captureTimesDue[layer] {
                captureTimesDue[layer] = now.advanced(byMilliseconds: Self.captureTimeIntervalMilliseconds)
                entry.captureTime = loop.wallClock.ntp(at: captured)
            }
        }
        // Senders probe the link with padding on layers they have stopped; that keeps none of them alive.
        if !header.isPaddingOnly, kind == .video { layers.received(packet, &entry, codec: format.codec) }
        if summary.isKeyframeStart || summary.hasParameterSets, kind == .video {
            completeKeyframe(packet.extracting(header.payload), entry, at: now)
        }
        keep(packet, &entry, at: now)
        if frames.isActive, layer == 0 {
            frames.received(packet, header: header, captured: entry.captured, of: id, at: now)
        }
        flushHook?.request()
        return summary.isKeyframeStart
    }

    /// Takes one packet that the publication sent while it waited to feed the track: for the history alone, in which
    /// viewers may begin.
    func recall(_ packet: RawSpan, _ entry: RunEntry) {
        guard let codec = format?.codec, layers.encodings.indices.contains(entry.layer) else { return }
        var entry = entry
        if !entry.header.isPaddingOnly { layers.received(packet, &entry, codec: codec) }
        if entry.summary.isKeyframeStart || entry.summary.hasParameterSets {
            var inserted = entry
            let payload = packet.extracting(entry.header.payload)
            parameterSets[entry.layer].packet(before: &inserted, payload)?.withBytes {
                store?.append($0, &inserted, answersRequests: false, at: entry.arrival)
            }
        }
        store?.append(packet, &entry, answersRequests: false, at: entry.arrival)
    }

    /// Puts parameter sets before a keyframe that comes without (RTP-65), for viewers that begin at it.
    private func completeKeyframe(_ payload: RawSpan, _ entry: RunEntry, at now: Instant) {
        var inserted = entry
        guard let packet = parameterSets[entry.layer].packet(before: &inserted, payload) else { return }
        packet.withBytes { keep($0, &inserted, at: now) }
    }

    /// Copies a packet into what the track keeps and into the turn's run.
    private func keep(_ packet: RawSpan, _ entry: inout RunEntry, at now: Instant) {
        store?.append(packet, &entry, answersRequests: answers.habit == .answers, at: now)
        if !run.append(packet, entry) {
            flush()
            if !run.append(packet, entry) { statistics.packetsOverflowed &+= 1 }
        }
        // Behind parameter sets the keyframe's first packet follows at once.
        if entry.summary.isKeyframeStart, !entry.isInOrder, !entry.isInserted, kind == .video {
            repeatEarly(entry, at: now)
        }
    }

    /// Whether what came early of the entry's keyframe has been repeated.
    private func wasRepeated(_ entry: RunEntry) -> Bool {
        repeated.map { $0.layer == entry.layer && $0.timestamp == entry.header.timestamp } ?? false
    }

    /// Puts what came before the first packet of its keyframe behind it, once for each keyframe.
    private func repeatEarly(_ start: RunEntry, at now: Instant) {
        guard !wasRepeated(start) else { return }
        repeated = (start.layer, start.header.timestamp)
        var next = start.firstPosition
        while repeatsLeft > 0, let position = store?.early(before: start, from: next) {
            if !repeatPacket(at: position, behind: start.position, now) {
                flush()
                if !repeatPacket(at: position, behind: start.position, now) { statistics.packetsOverflowed &+= 1 }
            }
            repeatsLeft -= 1
            statistics.packetsRepeated &+= 1
            next = position + 1
        }
    }

    /// Puts a packet out of the ring into the run; `false` when the run is full.
    private func repeatPacket(at position: Int64, behind start: Int64, _ now: Instant) -> Bool {
        store?.withEntry(at: position) { early, packet in
            var early = early
            early.repeatedBehind = start
            early.arrival = now
            return run.append(packet, early)
        } ?? false
    }

    /// Forwards the run, viewer by viewer.
    func flush() {
        guard !run.isEmpty else { return }
        chooseLayersIfDue(at: loop.now)
        var awaited: UInt64 = downTracks.isEmpty ? 0 : layers.unexplainedEncodings(at: loop.now)
        let mayRequest = spacing.mayRequest(at: loop.now)
        var statistics = TrackStatistics()
        var waits = false
        for downTrack in downTracks {
            downTrack.forward(run, statistics: &statistics)
            waits = waits || downTrack.waits(at: loop.now)
            awaited |= downTrack.awaitedEncodings(at: loop.now)
            if mayRequest, downTrack.takesKeyframeRequest(at: loop.now) { awaited |= downTrack.usedEncodings }
            if downTrack.takesKeyframeInSilence(at: loop.now) { awaited |= downTrack.usedEncodings }
            if downTrack.needsFirstReport { sendReport(of: downTrack) }
            if let changed = downTrack.takeLayerChange() { observer(.viewerLayersChanged(downTrack.viewer, changed)) }
        }
        store?.packetsWait = waits
        note(statistics)
        run.removeAll()
        requestKeyframes(of: awaited)
    }

    // MARK: viewers

    /// Adds a viewer's side of the track; it gets packets from the next keyframe on.
    ///
    /// - Returns: false, and the viewer gets nothing, when the track has another codec than the viewer negotiated,
    ///   because the publisher changed meanwhile.
    public func add(_ downTrack: sending DownTrack) -> Bool {
        if publication != nil, let format, !downTrack.format.track.isInterchangeable(with: format) { return false }
        if downTrack.format.repair != nil, store == nil { store = PacketStore(kind) }
        chooseLayers(of: downTrack, at: loop.now)
        let awaited = downTrack.awaitedEncodings(at: loop.now)
        downTracks.append(downTrack)
        if downTrack.format.extensions[.absCaptureTime] != nil { tellCaptureTimes() }
        if !startsAtOnce(downTrack) { requestKeyframes(of: awaited) }
        return true
    }

    /// Somebody came who wants to know when media was captured: the next packets say so.
    private func tellCaptureTimes() {
        captureTimesDue = Array(repeating: Instant(nanoseconds: 0), count: layers.encodings.count)
    }

    /// Gives DownTracks up to another track of the room.
    func takeDownTracks(where isTaken: (TrackFormat) -> Bool) -> [DownTrack] {
        guard !downTracks.isEmpty else { return [] }
        flush()
        let taken = downTracks.filter { isTaken($0.format.track) }
        downTracks.removeAll { isTaken($0.format.track) }
        return taken
    }

    /// Takes DownTracks over from another track of the room, before a publication comes; their numbers go on.
    func adopt(_ downTracks: sending [DownTrack]) { self.downTracks += downTracks }

    /// Takes a viewer's DownTracks away.
    func remove(_ viewer: PeerID) { downTracks.removeAll { $0.viewer == viewer } }

    /// Everybody needs a random access point; one of each encoding that viewers get is asked for.
    public func requestKeyframe() {
        var encodings: UInt64 = layers.hasChoice ? 0 : 1
        for downTrack in downTracks { encodings |= downTrack.usedEncodings }
        requestKeyframes(of: encodings)
    }

    /// Asks for a random access point of one encoding; the publisher merges the requests of all viewers.
    func requestKeyframe(of encoding: Int) {
        guard kind == .video, let publisher else { return }
        statistics.keyframeRequests &+= 1
        if layers.encodings.indices.contains(encoding), layers.encodings[encoding].isLive(at: loop.now) {
            answers.requested(layer: encoding, at: loop.now)
        }
        publisher.requestKeyframe(kind, layer: encoding)
    }

    /// A viewer lost its picture and cannot go on without a keyframe.
    public func pictureLost(by viewer: PeerID) {
        guard let downTrack = downTrack(of: viewer) else { return }
        loses(downTrack)
    }

    func loses(_ downTrack: DownTrack) {
        downTrack.pictureLost()
        // One whose frames are held back asks when there is room for a keyframe, and not before.
        guard !downTrack.isHeldBack else { return }
        requestKeyframes(of: downTrack.usedEncodings)
        startsAgain(downTrack)
    }

    /// A viewer asks for packets again (RTP-43). Numbers that it was never sent, or too often, are passed over.
    ///
    /// - Parameters:
    ///   - compound: the RTCP packet that `lost` is a view of.
    ///   - roundTripNanoseconds: to the viewer; 0 when it is not known.
    public func sendAgain(
        _ lost: NegativeAcknowledgementList, in compound: RawSpan, to viewer: PeerID, roundTripNanoseconds: UInt64,
        at now: Instant
    ) {
        guard let downTrack = downTrack(of: viewer) else { return }
        let before = downTrack.repairs
        lost.forEach(in: compound) { sequenceNumber in
            guard let wanted = downTrack.requested(sequenceNumber, roundTripNanoseconds: roundTripNanoseconds, at: now)
            else { return }
            sendAgain(wanted, to: downTrack, at: now)
        }
        downTrack.heard(isReport: false, at: now)
        afterRepairs(of: downTrack, since: before, at: now)
    }

    /// Asks for a keyframe when repairs do not help, and counts them.
    func afterRepairs(of downTrack: DownTrack, since before: RepairStatistics, at now: Instant) {
        if downTrack.takeBeyondRepair() {
            loses(downTrack)
        } else if downTrack.takeStuck(at: now) {
            requestKeyframes(of: downTrack.usedEncodings)
        }
        note(downTrack.repairs.since(before))
    }

    func sendAgain(_ wanted: RetransmissionGate.Answer, to downTrack: DownTrack, at now: Instant) {
        let wasThere: Void? = store?.withPacket(at: wanted.packet.position, now: now) {
            downTrack.sendAgain(wanted, $0, publisher: extensions, at: now)
        }
        if wasThere == nil { downTrack.isGone(wanted) }
    }

    func downTrack(of viewer: PeerID) -> DownTrack? {
        if positions == nil {
            positions = Dictionary(
                zip(downTracks.lazy.map(\.viewer), downTracks.indices), uniquingKeysWith: { first, _ in first })
        }
        return positions?[viewer].map { downTracks[$0] }
    }

    public var viewerCount: Int { downTracks.count }

    /// One more is served by a viewer's side of the track, who was told these parameter sets beforehand: what not all of them
    /// know is sent to all.
    public func share(_ viewer: PeerID, withToldParameterSets sets: [[UInt8]]) {
        downTrack(of: viewer)?.isShared(with: sets)
    }

    /// What one viewer's DownTrack has sent, or nil when it has none here.
    public func statistics(of viewer: PeerID) -> SenderStatistics? {
        downTrack(of: viewer)?.sent
    }

    // MARK: reports

    private func reportsDue() {
        // Counted from when the report was due, so that the two phases do not drift together.
        repeat {
            nextReport = nextReport.advanced(byMilliseconds: reportIntervalMilliseconds)
        } while nextReport <= loop.now
        reportTimer?.schedule(at: nextReport)
        for downTrack in downTracks { sendReport(of: downTrack) }
    }

    func note(_ statistics: TrackStatistics) { self.statistics.add(statistics) }
    func note(_ repairs: RepairStatistics) { statistics.repairs += repairs }

    func sendReport(of downTrack: DownTrack) {
        guard let publication, let layer = downTrack.currentLayer,
            let mapping = publication.onLoop({ $0.mapping(kind: kind, layer: layer) })
        else { return }
        downTrack.sendReport(mapping: mapping, wallClock: loop.wallClock, at: loop.now, into: &report)
    }
}
