import Loop
import RTSP
import Secure
import Streams
import Synchronization
import Wire

/// What all RTSP connections share: the way into rooms, who may, and the connections themselves.
final class RTSPService: Sendable {
    struct Statistics: Sendable, Hashable {
        var connections = 0
        var accepted: UInt64 = 0
        var refused: UInt64 = 0
        var requests: UInt64 = 0
    }

    let webrtc: WebRTCService
    let hub: EventHub
    let logger: Logger
    let authorizer: TokenAuthorizer
    let limits: RequestLimits
    let settings: @Sendable () -> ServerSettings
    /// nil when there is no UDP.
    let datagrams: RTSPDatagramPlane?
    let hash = RTSPHash(md5: { Digest.md5($0) }, sha256: { Digest.sha256($0) })
    private let connections = Mutex<[PeerID: RTSPConnection]>([:])
    private let sessions = Mutex<[String: RTSPConnection]>([:])
    let counters = RTSPCounters()
    /// Of connections to other servers.
    let clientCounters = RTSPClientCounters()
    let tunnels = RTSPTunnels()
    let backChannels = RTSPBackChannels()
    let halfOpen = RTSPHalfOpen()
    let failedLogins = RTSPFailedLogins()

    /// Has a room's source play, when it has one, and waits for it.
    func bring(_ room: RoomSettings) async -> RTSPSources.Outcome { await webrtc.bring(room) }

    var directory: RoomDirectory { webrtc.directory }
    var registry: SessionRegistry { webrtc.registry }

    init(
        webrtc: WebRTCService, hub: EventHub, logger: Logger, authorizer: TokenAuthorizer, limits: RequestLimits,
        datagrams: RTSPDatagramPlane?, settings: @escaping @Sendable () -> ServerSettings
    ) {
        self.webrtc = webrtc
        self.hub = hub
        self.logger = logger
        self.authorizer = authorizer
        self.limits = limits
        self.datagrams = datagrams
        self.settings = settings
    }

    /// A connection is there, or has moved to another loop.
    func keep(_ connection: RTSPConnection) { connections.withLock { $0[connection.peerID] = connection } }

    /// A connection is over. Without effect for one that has moved.
    func forget(_ connection: RTSPConnection) {
        connections.withLock { if $0[connection.peerID] === connection { $0[connection.peerID] = nil } }
    }

    /// Lets a session be found that does not end with its connection.
    func keep(_ session: String, of connection: RTSPConnection) { sessions.withLock { $0[session] = connection } }

    func forget(session: String, of connection: RTSPConnection) {
        sessions.withLock { if $0[session] === connection { $0[session] = nil } }
    }

    func connection(ofSession session: String) -> RTSPConnection? { sessions.withLock { $0[session] } }

    /// Sends on those whose paths have come to lead elsewhere.
    func followRedirections() async {
        for connection in all { await connection.followRedirection() }
    }

    var all: [RTSPConnection] { connections.withLock { Array($0.values) } }
    var connectionCount: Int { connections.withLock { $0.count } }

    /// How a fresh connection's machine is set up.
    func configuration() -> RTSPServerMachine.Configuration {
        let settings = settings()
        var configuration = RTSPServerMachine.Configuration()
        configuration.deliveries = Set(settings.rtspTransports.map { RTSPDelivery($0) })
        configuration.serverPorts = datagrams?.ports
        configuration.requestTimeoutSeconds = settings.readTimeout.wholeSeconds
        configuration.mediaTimeoutSeconds = settings.readTimeout.wholeSeconds
        configuration.firstRequestMilliseconds = settings.rtspHalfOpenTimeout.wholeMilliseconds
        return configuration
    }

    /// Ends everything.
    func stop() async {
        for connection in all { await connection.close(.stopping) }
        await datagrams?.stop()
    }
}

/// What RTSP connections count together. Control path only.
final class RTSPCounters: Sendable {
    let accepted = Atomic<UInt64>(0)
    let refused = Atomic<UInt64>(0)
    let requests = Atomic<UInt64>(0)
    let failedAuthorizations = Atomic<UInt64>(0)
    /// Wrong credentials that were answered at once, because enough clients waited for such an answer.
    let failedLoginsUndelayed = Atomic<UInt64>(0)
    /// Clients ended because they read no answers.
    let unreadReplies = Atomic<UInt64>(0)
    /// Connections ended before they asked for anything: for their silence, and for others to take their place.
    let halfOpenExpired = Atomic<UInt64>(0)
    let halfOpenDisplaced = Atomic<UInt64>(0)
    /// Packets of publishers that were too large for a datagram, by what became of them.
    let oversizedCut = Atomic<UInt64>(0)
    let oversizedUncut = Atomic<UInt64>(0)
    let rejectedProtected = Atomic<UInt64>(0)
    /// Packets of publishers and sources that went nowhere, by why.
    let malformedMedia = Atomic<UInt64>(0)
    let unknownMedia = Atomic<UInt64>(0)
    let duplicateMedia = Atomic<UInt64>(0)
    /// How often a reader fell behind and lost what came until the next keyframe.
    let slowReaderSkips = Atomic<UInt64>(0)
    /// Readers ended because they took nothing any more.
    let slowReadersEnded = Atomic<UInt64>(0)
    /// Readers over datagrams that wait for a keyframe, because more came than may wait behind what they began with.
    let startsAbandoned = Atomic<UInt64>(0)
}

extension RTSPCounters {
    func count(_ drops: RTSPIngest.Drops, since counted: RTSPIngest.Drops) {
        malformedMedia.wrappingAdd(drops.malformed &- counted.malformed, ordering: .relaxed)
        unknownMedia.wrappingAdd(drops.unknown &- counted.unknown, ordering: .relaxed)
        duplicateMedia.wrappingAdd(drops.duplicates &- counted.duplicates, ordering: .relaxed)
    }
}

extension RTSPDelivery {
    init(_ setting: RTSPTransportSetting) {
        self =
            switch setting {
            case .udp: .udp
            case .multicast: .multicast
            case .tcp: .tcp
            }
    }
}
