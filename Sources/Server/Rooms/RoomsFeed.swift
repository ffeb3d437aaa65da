import HTTP
import Loop
import Wire

/// `GET /notifications`: the list of rooms as server-sent events, whole, at every change and at least once a second
/// while anybody listens (SigmaMediaServer's feed).
actor RoomsFeed: LoopActor {
    static let intervalMilliseconds: UInt64 = 1_000
    static let maximumQueuedBytes = 256 * 1024

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let list: RoomList
    private var streams: [UInt64: (body: HTTPBodyStream, address: ClientAddress)] = [:]
    private var places: ListenerPlaces
    private var nextID: UInt64 = 1
    private var timer: (any LoopTimer)?
    private var isSending = false
    private var isStale = false
    private var isStopping = false

    init(on loop: EventLoop, list: RoomList, limits: ListenerPlaces.Limits = ListenerPlaces.Limits()) {
        eventLoop = loop
        self.list = list
        places = ListenerPlaces(limits)
    }

    /// A new subscriber's stream, with the current list already in it; when there are too many, a short one that tells
    /// the client to come back later.
    func subscribe(from remote: SocketAddress) async -> HTTPBodyStream {
        let address = ClientAddress(remote)
        guard !isStopping, places.take(address) else { return ListenerRetry.later() }
        let beginning = Self.event(await list.json())
        let id = nextID
        nextID += 1
        let stream = HTTPBodyStream(maximumQueuedBytes: Self.maximumQueuedBytes) { [weak self] in
            guard let self else { return }
            eventLoop.execute { self.onLoop { $0.remove(id) } }
        }
        stream.send(ListenerRetry.beginning())
        stream.send(beginning)
        guard !isStopping else {
            places.giveBack(address)
            stream.finish()
            return stream
        }
        streams[id] = (stream, address)
        if timer == nil {
            timer = eventLoop.makeTimer(name: "rooms feed") { [weak self] in self?.onLoop { $0.tick() } }
        }
        if timer?.deadline == nil { arm() }
        return stream
    }

    /// The list changed: subscribers get it now. Any thread.
    nonisolated func changed() {
        eventLoop.execute { self.onLoop { $0.send() } }
    }

    private func remove(_ id: UInt64) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        places.giveBack(stream.address)
    }

    private func arm() { timer?.schedule(at: eventLoop.now.advanced(byMilliseconds: Self.intervalMilliseconds)) }

    private func tick() {
        guard !streams.isEmpty else { return }
        send()
        arm()
    }

    private func send() {
        guard !streams.isEmpty else { return }
        guard !isSending else {
            isStale = true
            return
        }
        isSending = true
        Task {
            repeat {
                isStale = false
                let event = Self.event(await list.json())
                for (id, stream) in streams where !stream.body.send(event) {
                    // A client that takes nothing is let go; it comes back and gets the whole list.
                    stream.body.finish()
                    remove(id)
                }
            } while isStale
            isSending = false
        }
    }

    private static func event(_ json: [UInt8]) -> [UInt8] {
        ServerSentEvent(data: String(decoding: json, as: UTF8.self)).encoded
    }

    /// Ends every stream; clients come back by themselves, at different times (SSE-17).
    func stop() {
        isStopping = true
        timer?.cancel()
        for (id, stream) in streams {
            stream.body.send(ListenerRetry.farewell())
            stream.body.finish()
            remove(id)
        }
    }

    var subscriberCount: Int { streams.count }
    /// Clients for which there was no place.
    var refused: UInt64 { places.refused }
}
