import HTTP
import Loop
import Wire

/// `GET /notifications`: the list of rooms as server-sent events, whole, at every change and at least once a second
/// while anybody listens (SigmaMediaServer's feed).
actor RoomsFeed: LoopActor {
    static let intervalMilliseconds: UInt64 = 1_000
    /// A page opens one; more than this at a time are told to come back.
    static let maximumSubscribers = 2_000
    static let maximumQueuedBytes = 256 * 1024

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let list: RoomList
    private var streams: [UInt64: HTTPBodyStream] = [:]
    private var nextID: UInt64 = 1
    private var timer: (any LoopTimer)?
    private var isSending = false
    private var isStale = false

    init(on loop: EventLoop, list: RoomList) {
        eventLoop = loop
        self.list = list
    }

    /// A new subscriber's stream, with the current list already in it; nil when there are too many.
    func subscribe() async -> HTTPBodyStream? {
        guard streams.count < Self.maximumSubscribers else { return nil }
        let id = nextID
        nextID += 1
        let stream = HTTPBodyStream(maximumQueuedBytes: Self.maximumQueuedBytes) { [weak self] in
            guard let self else { return }
            eventLoop.execute { self.onLoop { $0.remove(id) } }
        }
        stream.send(ServerSentEvent.retry(milliseconds: 2_000))
        stream.send(Self.event(await list.json()))
        streams[id] = stream
        if stream.isCancelled { streams[id] = nil }
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

    private func remove(_ id: UInt64) { streams[id] = nil }

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
                for (id, stream) in streams where !stream.send(event) {
                    // A client that takes nothing is let go; it comes back and gets the whole list.
                    stream.finish()
                    streams[id] = nil
                }
            } while isStale
            isSending = false
        }
    }

    private static func event(_ json: [UInt8]) -> [UInt8] {
        ServerSentEvent(data: String(decoding: json, as: UTF8.self)).encoded
    }

    /// Ends every stream; clients reconnect by themselves.
    func stop() {
        timer?.cancel()
        for stream in streams.values { stream.finish() }
        streams.removeAll()
    }

    var subscriberCount: Int { streams.count }
}
