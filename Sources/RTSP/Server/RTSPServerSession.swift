/// How a track's packets travel.
public enum RTSPDelivery: String, Hashable, Sendable, CaseIterable { case udp, multicast, tcp }

/// What a client has set up on a connection: tracks of one path, read or published together.
public struct RTSPServerSession: Sendable {
    public enum Role: Hashable, Sendable {
        case reader, publisher

        /// What transports say of it that say anything.
        var mode: RTSPTransport.Mode { self == .reader ? .play : .record }
    }

    /// One track and how it travels.
    public struct Media: Hashable, Sendable {
        /// The track's number in the description.
        public var track: Int
        /// What was agreed, as the answer told it.
        public var transport: RTSPTransport
        /// The URL the client set it up with.
        public var url: String
        /// What the client encrypts the track with, when the transport is secure.
        public var keys: RTSPMediaKeys?

        public init(track: Int, transport: RTSPTransport, url: String, keys: RTSPMediaKeys? = nil) {
            self.track = track
            self.transport = transport
            self.url = url
            self.keys = keys
        }
    }

    /// Letters and digits only: some clients cut at anything else (RTSP-10).
    public let id: String
    public let role: Role
    public let target: RTSPTarget
    public internal(set) var media: [Media] = []
    /// The tracks that play or are recorded now.
    public internal(set) var activeTracks: Set<Int> = []

    init(id: String, role: Role, target: RTSPTarget) {
        self.id = id
        self.role = role
        self.target = target
    }

    public var isActive: Bool { !activeTracks.isEmpty }

    public var delivery: RTSPDelivery? {
        media.first?.transport.delivery
    }

    /// The track whose RTP or RTCP comes on a channel of the connection.
    public func track(onChannel channel: UInt8) -> (track: Int, isControl: Bool)? {
        for item in media {
            guard let channels = item.transport.channels else { continue }
            if channels.rtp == channel { return (item.track, false) }
            if channels.rtcp == channel { return (item.track, true) }
        }
        return nil
    }

    /// The track whose RTP or RTCP comes from one of the client's ports to one of the server's.
    public func track(from clientPort: UInt16, to serverPort: UInt16) -> (track: Int, isControl: Bool)? {
        for item in media {
            guard let client = item.transport.clientPorts, let server = item.transport.serverPorts else { continue }
            if client.rtp == clientPort, server.rtp == serverPort { return (item.track, false) }
            if client.rtcp == clientPort, server.rtcp == serverPort { return (item.track, true) }
        }
        return nil
    }

    /// The first two channels that no track uses.
    func freeChannels() -> RTSPTransport.Channels? {
        var first = 0
        while first < 255 {
            let candidate = RTSPTransport.Channels(rtp: UInt8(first), rtcp: UInt8(first + 1))
            if !media.contains(where: { $0.transport.channels?.overlaps(candidate) ?? false }) { return candidate }
            first += 2
        }
        return nil
    }
}

/// What the owner of a machine has to do for a request before it can be answered.
public enum RTSPOperation: Hashable, Sendable {
    /// Answer with ``RTSPServerMachine/described(by:)``.
    case describe(RTSPTarget)
    /// A client wants to publish what the bytes describe. Answer with ``RTSPServerMachine/announced(controls:)``.
    case announce(RTSPTarget, [UInt8])
    /// A client wants to read a track. Answer with ``RTSPServerMachine/found(ssrcs:)``.
    case setUp(RTSPTarget)
    /// Answer with ``RTSPServerMachine/played(from:)``.
    case play(tracks: Set<Int>)
    /// Answer with ``RTSPServerMachine/done()``, as the rest.
    case record
    case pause(tracks: Set<Int>)
    case tearDown
    /// Answer with ``RTSPServerMachine/read(_:)``.
    case getParameters([String])
    /// The request is about a session of another connection: hand this one over to it, with what
    /// ``RTSPServerMachine/unfinished`` says, or refuse (RTSP-10).
    case resume(session: String)
}
