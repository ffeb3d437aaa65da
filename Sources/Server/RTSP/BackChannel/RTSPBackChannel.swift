import Loop
import RTSP
import Streams
import Synchronization
import Wire

/// What a source's camera plays to those in front of it (ONVIF Streaming, section 5.3): readers of its room that asked for
/// it speak, one at a time. Confined to the room's loop, as the source is.
actor RTSPBackChannel: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    nonisolated let format: TrackFormat
    nonisolated let payloadType: UInt8

    private let counters: RTSPTalkCounters
    private var turn: RTSPTalkTurn
    private var rewriter: RTSPTalkRewriter
    private var send: ((RawSpan) -> Bool)?

    /// - Parameters:
    ///   - silence: how long whoever speaks may pause before others may.
    ///   - send: hands a packet to the camera; `false` when it was dropped. Called on `loop`.
    init(
        on loop: EventLoop, _ media: RTSPAnnouncedMedia, _ format: TrackFormat, silence: Duration, ssrc: UInt32,
        counters: RTSPTalkCounters, send: @escaping @Sendable (RawSpan) -> Bool
    ) {
        eventLoop = loop
        self.format = format
        payloadType = media.payloadType
        self.counters = counters
        turn = RTSPTalkTurn(silenceMilliseconds: silence.wholeMilliseconds)
        rewriter = RTSPTalkRewriter(
            ssrc: ssrc, payloadType: media.payloadType, clockRate: media.clockRate,
            firstNumber: UInt16(truncatingIfNeeded: ssrc))
        self.send = send
    }

    /// A reader speaks.
    func say(_ packet: RawSpan, from peer: PeerID, at now: Instant) {
        guard let send else { return counters.dropped.add(1) }
        // What is no speech must not take the turn.
        guard RTSPTalkRewriter.isSpeech(packet) else { return counters.refused.add(1) }
        let outcome = turn.heard(peer, at: now)
        guard outcome != .waits, let bytes = rewriter.rewrite(packet, begins: outcome == .begins, at: now) else {
            return counters.refused.add(1)
        }
        if bytes.withBytes(send) { counters.sent.add(1) } else { counters.dropped.add(1) }
    }

    var isOver: Bool { send == nil }

    func left(_ peer: PeerID) { turn.left(peer) }

    /// The source is over: what is said from now on goes nowhere.
    func end() { send = nil }
}

/// Packets of readers to cameras.
final class RTSPTalkCounters: Sendable {
    struct Counter: ~Copyable, Sendable {
        private let value = Atomic<UInt64>(0)
        func add(_ count: UInt64) { value.wrappingAdd(count, ordering: .relaxed) }
        var count: UInt64 { value.load(ordering: .relaxed) }
    }
    let sent = Counter()
    /// While somebody else spoke, or no RTP.
    let refused = Counter()
    /// The camera was gone, or took nothing.
    let dropped = Counter()
}

/// The back channels there are, by the names of their rooms.
final class RTSPBackChannels: Sendable {
    private let channels = Mutex<[String: RTSPBackChannel]>([:])
    let counters = RTSPTalkCounters()

    func open(_ channel: RTSPBackChannel, of room: String) { channels.withLock { $0[room] = channel } }

    func close(_ channel: RTSPBackChannel, of room: String) {
        channels.withLock { if $0[room] === channel { $0[room] = nil } }
    }

    func channel(of room: String) -> RTSPBackChannel? { channels.withLock { $0[room] } }
}
