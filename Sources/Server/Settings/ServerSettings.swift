import RTSP

/// Everything the operator decided, as one immutable value. A reload makes a new one with a higher version.
///
/// Initial values here are the defaults; the rest of each setting is in `ServerSettings+Declarations.swift`.
public struct ServerSettings: Sendable {
    /// Counts readings of the configuration in this process.
    public internal(set) var version: UInt64 = 1

    // Logging
    public var logLevel = LogLevel.info
    public var logDestinations = [LogDestination.stdout]
    public var logStructured = false
    public var logFile = "martlet.log"

    // HTTP server
    public var readTimeout = Duration.seconds(10)
    public var writeTimeout = Duration.seconds(10)
    public var httpMaxConnections = 10_000
    public var httpRequestsPerSecond = 50
    public var httpRequestBurst = 200
    public var httpTokenRequestsPerSecond = 200
    public var httpTokenRequestBurst = 1_000
    public var httpFailedAuthorizationBurst = 20
    public var webRoot = ""
    public var transcoder = ""

    // WebRTC
    public var webrtc = true
    public var webrtcAddress = ListenAddress(port: 8889)
    public var webrtcEncryption = false
    public var webrtcServerKey = "certs/key.pem"
    public var webrtcServerCert = "certs/cert.pem"
    public var webrtcAllowOrigins = ["*"]
    public var webrtcTrustedProxies: [AddressRange] = []
    public var webrtcLocalUDPAddress = ListenAddress(port: 8189)
    public var webrtcLocalTCPAddress = LocalTCPAddress.sameAsUDP
    public var webrtcIPsFromInterfaces = true
    public var webrtcPreferIPv6 = false
    public var webrtcIPsFromInterfacesList: [String] = []
    public var webrtcAdditionalHosts: [String] = []
    public var webrtcICEServers2: [ICEServerSettings] = []
    public var webrtcHandshakeTimeout = Duration.seconds(30)
    public var webrtcDTLSRole = DTLSRoleSetting.passive
    public var webrtcICEConsentTimeout = Duration.seconds(15)
    public var webrtcCounterOffers = true
    public var mediaLoops = 0

    // RTSP
    public var rtsp = true
    public var rtspTransports = [RTSPTransportSetting.udp, .multicast, .tcp]
    public var rtspAddress = ListenAddress(port: 8554)
    public var rtspEncryption = RTSPEncryption.no
    public var rtspsAddress = ListenAddress(port: 8322)
    public var rtspServerKey = "certs/key.pem"
    public var rtspServerCert = "certs/cert.pem"
    public var rtpAddress = ListenAddress(port: 8000)
    public var rtcpAddress = ListenAddress(port: 8001)
    public var multicastIPRange = AddressRange.multicastGroups
    public var multicastRTPPort = 8002
    public var multicastRTCPPort = 8003
    public var rtspAuthMethods = [RTSPAuthMethod.basic, .digest]
    public var rtspFailedLoginDelay = Duration.seconds(2)
    public var rtspHalfOpenTimeout = Duration.seconds(10)
    public var rtspMaxHalfOpen = 256
    public var rtspTalkSilence = Duration.seconds(2)
    public var writeQueueSize = 512
    public var udpMaxPayloadSize = 1_452
    public var udpReadBufferSize = ByteCount(0)

    // Metrics
    public var metrics = true
    public var metricsAddress = ListenAddress("127.0.0.1:9998") ?? ListenAddress(port: 9998)
    public var metricsToken: AccessToken?

    // Authorization
    public var whipToken: AccessToken?
    public var allowTokenInQuery = false

    // Limits
    public var maxSessions = 10_000
    public var maxRooms = 1_000
    public var maxViewersPerIP = 1_000
    public var maxTranscoders = 64

    /// What every path starts from.
    public internal(set) var pathDefaults = PathSettings()
    /// In the order of the file; `allOthers` last.
    public internal(set) var paths: [PathEntry] = [PathEntry(name: "all_others", match: .allOthers)]

    public init() {}
}

public enum LogDestination: String, Sendable, CaseIterable { case stdout, file }

/// Which side of the DTLS handshake the server takes when a client leaves it the choice (`actpass`).
public enum DTLSRoleSetting: String, Sendable, CaseIterable { case active, passive }

/// How media may travel to and from RTSP clients; multicast only to them.
public enum RTSPTransportSetting: String, Sendable, CaseIterable { case udp, multicast, tcp }

/// Whether RTSP is served over TLS too, or only over TLS.
public enum RTSPEncryption: String, Sendable, CaseIterable { case no, optional, strict }

/// How RTSP clients may show who they are. `digest` is MD5, which every client speaks; `digestSHA256` is asked for
/// instead of it, because some clients fail when both are offered.
public enum RTSPAuthMethod: String, Sendable, CaseIterable { case basic, digest, digestSHA256 }

/// What a viewer is told while nobody publishes.
public enum WHEPIdlePolicy: String, Sendable, CaseIterable { case conflict409, notFound404 }

/// One entry of `paths`.
public struct PathEntry: Sendable {
    enum Match: Sendable {
        case name(String)
        case pattern(PathPattern)
        case allOthers
    }

    /// The key in the file.
    public var name: String
    var match: Match
    public var settings = PathSettings()

    /// The one room the entry is about; nil for patterns.
    var roomName: String? { if case .name(let name) = match { name } else { nil } }

    init(name: String, match: Match, settings: PathSettings = PathSettings()) {
        self.name = name
        self.match = match
        self.settings = settings
    }
}

extension ServerSettings {
    /// The settings of a room, decided by the entry with its name, else the first pattern that matches, else
    /// `all_others`.
    ///
    /// - Returns: nil when the name is no room name or the configuration has no place for it; the room must not exist.
    public func room(named name: String) -> RoomSettings? {
        guard RoomName.problem(with: name) == nil, let entry = entry(for: name) else { return nil }
        switch entry.settings.source {
        case .unavailable, .redirect: return nil
        case .publisher, .rtsp:
            return RoomSettings(room: name, version: version, entry: entry.name, path: entry.settings)
        }
    }

    /// The settings of a path that has no room because it leads elsewhere; nil for every other.
    func redirectingPath(named name: String) -> PathSettings? {
        guard RoomName.problem(with: name) == nil, let entry = entry(for: name), entry.settings.source == .redirect
        else { return nil }
        return entry.settings
    }

    /// Where RTSP readers of a path are sent instead; nil when it leads nowhere else.
    func redirection(of name: String) -> RTSPURL? { redirectingPath(named: name)?.sourceRedirect }

    /// Global settings whose new value a running server does not take: what to say after a reload.
    public func keysNeedingRestart(for new: ServerSettings) -> [String] {
        Self.declarations.filter { !$0.isReloadable && $0.text(self) != $0.text(new) }.map(\.key)
    }

    private func entry(for name: String) -> PathEntry? {
        var best: PathEntry?
        for entry in paths {
            switch entry.match {
            case .name(let text): if text == name { return entry }
            case .pattern(let pattern):
                guard best == nil || best?.match.isAllOthers == true else { continue }
                if pattern.matches(name) { best = entry }
            case .allOthers: if best == nil { best = entry }
            }
        }
        return best
    }
}

extension PathEntry.Match {
    fileprivate var isAllOthers: Bool { if case .allOthers = self { true } else { false } }
}
