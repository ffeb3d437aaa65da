import HTTP
import Loop
import Secure
import Streams
import Synchronization
import Wire

/// The event streams of viewers' sessions (WHEP-6, SSE-18): whether somebody publishes, how many watch, which layers there are.
///
/// A stream belongs to a session and ends with it. It is made first and listened to afterwards, as often as the client's
/// connection breaks; each time it begins with the present state, so nothing has to be kept for it in between.
actor ViewerEvents: LoopActor {
    /// The events of draft-ietf-wish-whep that this server has, and `ended`, the last of all.
    enum Kind: String, CaseIterable, Sendable { case active, inactive, layers, viewercount, reconnect, ended }

    static let streamsPerSession = 4
    /// What may wait for a client that reads slowly; beyond it the client comes back and begins anew.
    static let queueBytes = 64 * 1024
    static let pacingMilliseconds: UInt64 = 50
    /// How often bitrates of layers are told.
    static let tickMilliseconds: UInt64 = 2_000
    static let heartbeatSeconds: Int64 = 15

    private struct Stream {
        var session: WebRTCSession
        var kinds: Set<Kind>
        /// nil while nobody listens.
        var body: HTTPBodyStream?
        /// Counts connections, so that the end of an old one does not end a new one.
        var connection = 0
        /// What was told last; nil while nobody has published, of which nothing is told.
        var isActive: Bool?
        /// Whether the connection has not been told of the state yet.
        var isFresh = true
        var viewers: Int?
        var layers: [UInt8] = []
        var lastSent = Instant(nanoseconds: 0)
    }

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let directory: RoomDirectory
    private var streams: [String: Stream] = [:]
    /// Rooms that somebody listens about, asked on media threads.
    private let watched = Mutex<Set<String>>([])
    private let changes = Mutex<Set<String>>([])
    private var pacer: (any LoopTimer)?
    private var ticker: (any LoopTimer)?
    private var isStopping = false
    /// Rooms that are being looked at, and those of them that changed meanwhile: whether only by the time.
    private var looking: Set<String> = []
    private var changedMeanwhile: [String: Bool] = [:]

    init(on loop: EventLoop, directory: RoomDirectory) {
        eventLoop = loop
        self.directory = directory
    }

    var count: Int { streams.count }
    var listeners: Int { streams.values.count { $0.body != nil } }

    // MARK: streams

    /// - Returns: the secret in the stream's URL; nil when the session has too many.
    func create(_ session: WebRTCSession, _ kinds: Set<Kind>) -> String? {
        guard !isStopping, streams.values.count(where: { $0.session.id == session.id }) < Self.streamsPerSession
        else { return nil }
        let id = WebRTCSession.newID()
        streams[id] = Stream(session: session, kinds: kinds)
        return id
    }

    /// Begins to tell a stream's events; nil when the session has no such stream.
    func listen(_ id: String, of session: String) async -> HTTPBodyStream? {
        guard !isStopping, streams[id]?.session.id == session else { return nil }
        streams[id]?.body?.finish()
        let connection = (streams[id]?.connection ?? 0) + 1
        let body = HTTPBodyStream(maximumQueuedBytes: Self.queueBytes) { [weak self] in
            guard let self else { return }
            eventLoop.execute { self.onLoop { $0.hasGone(id, connection) } }
        }
        body.send(ListenerRetry.beginning())
        streams[id]?.body = body
        streams[id]?.connection = connection
        // The present state is told anew to every connection.
        streams[id]?.isFresh = true
        streams[id]?.viewers = nil
        streams[id]?.layers = []
        let room = streams[id]?.session.roomName ?? ""
        watch()
        await tell(room, isTick: false)
        return body
    }

    func remove(_ id: String, of session: String) -> Bool {
        guard let stream = streams[id], stream.session.id == session else { return false }
        stream.body?.finish()
        streams[id] = nil
        watch()
        return true
    }

    private func hasGone(_ id: String, _ connection: Int) {
        guard streams[id]?.connection == connection else { return }
        streams[id]?.body = nil
        watch()
    }

    /// The session is over, and its streams with it: each tells why. Any thread.
    nonisolated func sessionEnded(_ session: String, _ end: PeerEnd? = nil) {
        eventLoop.execute {
            self.onLoop { events in
                for (id, stream) in events.streams where stream.session.id == session {
                    if let end { events.tell(end, to: id) }
                    events.streams[id]?.body?.finish()
                    events.streams[id] = nil
                }
                events.watch()
            }
        }
    }

    /// Why the session ended, and whether to ask for it again (SSE-18).
    private func tell(_ end: PeerEnd, to id: String) {
        var json = JSONWriter()
        json.object {
            $0.member("reason", end.reason.rawValue)
            $0.member("detail", end.detail)
        }
        let data = String(decoding: json.bytes, as: UTF8.self)
        offer(.ended, data, to: id)
        // After it, as clients leave at once.
        if end.reason.invitesBack { offer(.reconnect, data, to: id) }
    }

    func stop() {
        isStopping = true
        pacer?.cancel()
        ticker?.cancel()
        for id in Array(streams.keys) {
            tell(.stopping, to: id)
            streams[id]?.body?.send(ListenerRetry.farewell())
            streams[id]?.body?.finish()
        }
        streams = [:]
        watch()
    }

    /// Notes whose rooms matter, and keeps time while any do.
    private func watch() {
        let rooms = Set(streams.values.filter { $0.body != nil }.map(\.session.roomName))
        watched.withLock { $0 = rooms }
        guard !rooms.isEmpty, !isStopping else {
            ticker?.cancel()
            return
        }
        if ticker == nil {
            ticker = eventLoop.makeTimer(name: "viewer events") { [weak self] in self?.onLoop { $0.tick() } }
        }
        if ticker?.deadline == nil {
            ticker?.schedule(at: eventLoop.now.advanced(byMilliseconds: Self.tickMilliseconds))
        }
    }

    // MARK: what happens

    /// Something about a room changed. Any thread; never waits.
    nonisolated func changed(_ room: String) {
        guard watched.withLock({ $0.contains(room) }) else { return }
        let isFirst = changes.withLock { changes in
            defer { changes.insert(room) }
            return changes.isEmpty
        }
        if isFirst { eventLoop.execute { self.onLoop { $0.tellSoon() } } }
    }

    private func tellSoon() {
        guard !isStopping else { return }
        if pacer == nil {
            pacer = eventLoop.makeTimer(name: "viewer events pacing") { [weak self] in
                self?.onLoop { events in
                    let rooms = events.changes.withLock { changes in
                        defer { changes = [] }
                        return changes
                    }
                    Task { for room in rooms { await events.tell(room, isTick: false) } }
                }
            }
        }
        if pacer?.deadline == nil {
            pacer?.schedule(at: eventLoop.now.advanced(byMilliseconds: Self.pacingMilliseconds))
        }
    }

    private func tick() {
        let now = eventLoop.now
        for (id, stream) in streams where stream.body != nil {
            guard now.nanoseconds(since: stream.lastSent) >= Self.heartbeatSeconds * 1_000_000_000 else { continue }
            send(ServerSentEvent.comment(), to: id)
        }
        let rooms = watched.withLock { $0 }
        Task { for room in rooms { await tell(room, isTick: true) } }
        watch()
    }

    /// Looks at a room and tells its viewers what is new to them, one look after the other: an older state is never told
    /// after a newer one.
    private func tell(_ room: String, isTick: Bool) async {
        guard looking.insert(room).inserted else {
            changedMeanwhile[room] = (changedMeanwhile[room] ?? true) && isTick
            return
        }
        var isTick = isTick
        while true {
            await look(at: room, isTick: isTick)
            guard let again = changedMeanwhile.removeValue(forKey: room) else { break }
            isTick = again
        }
        looking.remove(room)
    }

    private func look(at room: String, isTick: Bool) async {
        let entry = await directory.room(named: room)
        let snapshot = await entry?.room.snapshot
        let layers = await entry?.room.track(.video).availableLayers ?? []
        for (id, stream) in streams where stream.session.roomName == room && stream.body != nil {
            let own = await entry?.room.track(.video).layers(of: stream.session.description.id)
            // Rates of a single layer are no choice, so they make no event.
            let tellsLayers = !isTick || layers.count > 1
            tell(
                id, isActive: snapshot?.publisher != nil, viewers: snapshot?.viewers.count ?? 0,
                layers: tellsLayers ? layersJSON(layers, own, stream.session.videoIndex) : nil)
        }
    }

    private func tell(_ id: String, isActive: Bool, viewers: Int, layers: [UInt8]?) {
        guard let stream = streams[id] else { return }
        if isActive {
            if stream.isActive != true || stream.isFresh { offer(.active, "{}", to: id) }
            streams[id]?.isActive = true
        } else if let told = stream.isActive {
            if told || stream.isFresh { offer(.inactive, "{}", to: id) }
            streams[id]?.isActive = false
        }
        streams[id]?.isFresh = false
        if stream.viewers != viewers {
            streams[id]?.viewers = viewers
            offer(.viewercount, "{\"viewercount\":\(viewers)}", to: id)
        }
        if let layers, isActive, !layers.isEmpty, stream.layers != layers {
            streams[id]?.layers = layers
            offer(.layers, String(decoding: layers, as: UTF8.self), to: id)
        }
    }

    private func offer(_ kind: Kind, _ data: String, to id: String) {
        guard streams[id]?.kinds.contains(kind) == true else { return }
        send(ServerSentEvent(event: kind.rawValue, data: data).encoded, to: id)
    }

    private func send(_ bytes: [UInt8], to id: String) {
        guard let body = streams[id]?.body else { return }
        streams[id]?.lastSent = eventLoop.now
        if !body.send(bytes) {
            body.finish()
            streams[id]?.body = nil
            watch()
        }
    }

    /// The layers of the video line, as the draft has them. Beyond it, `current` and `target` say which one this viewer
    /// gets and is to get (RTP-116).
    private func layersJSON(_ layers: [LayerDescription], _ own: ViewerLayers?, _ videoIndex: Int?) -> [UInt8] {
        guard let videoIndex, !layers.isEmpty else { return [] }
        var json = JSONWriter()
        json.object {
            $0.member(String(videoIndex)) {
                $0.array {
                    for layer in layers { $0.object { Self.write(layer, own, to: &$0) } }
                }
            }
        }
        return json.bytes
    }

    private static func write(_ layer: LayerDescription, _ own: ViewerLayers?, to json: inout JSONWriter) {
        json.member("rid", layer.name)
        json.member("spatialLayerId", layer.spatialLayer)
        json.member("temporalLayerId", layer.temporalLayer)
        // Rounded, so that a steady stream makes no event.
        json.member("bitrate", layer.isActive ? max(layer.bitsPerSecond / 10_000, 1) * 10_000 : 0)
        if let width = layer.width, let height = layer.height {
            json.member("width", width)
            json.member("height", height)
        }
        guard let own else { return }
        json.member("current", own.current.map { layer.isChosen(by: $0) } ?? false)
        json.member("target", layer.isChosen(by: own.target))
    }
}

extension LayerDescription {
    /// Whether a viewer with this choice gets the layer.
    fileprivate func isChosen(by choice: LayerChoice) -> Bool {
        encoding == choice.encoding && spatialLayer <= choice.spatialLayer && temporalLayer <= choice.temporalLayer
    }
}
