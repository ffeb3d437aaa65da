extension ServerSettings {
    /// Global settings, in the order of the sample file.
    static let declarations: [Setting<ServerSettings>] =
        loggingSettings + serverSettings + webrtcSettings + rtspSettings + metricsSettings + authorizationSettings
        + limitSettings

    private static let loggingSettings: [Setting<ServerSettings>] = [
        Setting(
            "logLevel", \.logLevel, .choice(), in: .logging, reloadable: true,
            "The least important messages that are written."),
        Setting(
            "logDestinations", \.logDestinations, .list(of: .choice()), in: .logging,
            "Where messages are written."),
        Setting("logStructured", \.logStructured, .boolean, in: .logging, "Writes each message as one JSON object."),
        Setting("logFile", \.logFile, .string(), in: .logging, "The file of the destination 'file'."),
    ]

    private static let serverSettings: [Setting<ServerSettings>] = [
        Setting(
            "readTimeout", \.readTimeout, .duration(.seconds(1)...(.seconds(600))), in: .server,
            "How long a client may take to send a request."),
        Setting(
            "writeTimeout", \.writeTimeout, .duration(.seconds(1)...(.seconds(600))), in: .server,
            "How long a client may accept nothing of what it is sent before its connection is closed."),
        Setting(
            "httpMaxConnections", \.httpMaxConnections, .integer(1...1_000_000), in: .server,
            "HTTP connections open at the same time."),
        Setting(
            "httpRequestsPerSecond", \.httpRequestsPerSecond, .integer(0...1_000_000, zeroMeans: "no limit"),
            in: .server, reloadable: true,
            "Requests per second and client address that create, change or end sessions; more are answered with 429."),
        Setting(
            "httpRequestBurst", \.httpRequestBurst, .integer(1...1_000_000), in: .server, reloadable: true,
            "How many such requests a client address may send at once."),
        Setting(
            "httpTokenRequestsPerSecond", \.httpTokenRequestsPerSecond,
            .integer(0...1_000_000, zeroMeans: "no limit"), in: .server, reloadable: true,
            "The same for each token, from whatever addresses it is used."),
        Setting(
            "httpTokenRequestBurst", \.httpTokenRequestBurst, .integer(1...1_000_000), in: .server, reloadable: true,
            "How many such requests may bring the same token at once."),
        Setting(
            "httpFailedAuthorizationBurst", \.httpFailedAuthorizationBurst,
            .integer(0...1_000_000, zeroMeans: "no limit"), in: .server, reloadable: true,
            "Wrong tokens a client address may send at once, and then one each second; more are answered with 429."),
        Setting(
            "webRoot", \.webRoot, .string(), in: .server,
            "Directory of the web pages; empty looks for web-player beside the program and in the working directory."),
        Setting(
            "transcoder", \.transcoder, .string(), in: .server, reloadable: true,
            "The program that converts sound; empty looks for martlet-transcoder beside the server's and in PATH."),
    ]

    private static let webrtcSettings: [Setting<ServerSettings>] = [
        Setting(
            "webrtc", \.webrtc, .boolean, in: .webrtc, aliases: [SettingAlias("webrtcDisable", isInverted: true)],
            "Serves WHIP and WHEP."),
        Setting(
            "webrtcAddress", \.webrtcAddress, .listenAddress, in: .webrtc,
            "Where the HTTP server for WHIP, WHEP and the pages listens."),
        Setting("webrtcEncryption", \.webrtcEncryption, .boolean, in: .webrtc, "Serves HTTPS instead of HTTP."),
        Setting(
            "webrtcServerKey", \.webrtcServerKey, .string(), in: .webrtc, reloadable: true,
            "File with the private key for HTTPS, PEM."),
        Setting(
            "webrtcServerCert", \.webrtcServerCert, .string(), in: .webrtc, reloadable: true,
            "File with the certificate chain for HTTPS, PEM."),
        Setting(
            "webrtcAllowOrigins", \.webrtcAllowOrigins, .list(of: .string()), in: .webrtc, reloadable: true,
            aliases: ["webrtcAllowOrigin"], environment: ["FRONTEND_URL"],
            "Origins of pages that may use WHIP and WHEP; '*' for all."),
        Setting(
            "webrtcTrustedProxies", \.webrtcTrustedProxies, .list(of: .addressRange), in: .webrtc, reloadable: true,
            "Proxies whose X-Forwarded-For is believed."),
        Setting(
            "webrtcLocalUDPAddress", \.webrtcLocalUDPAddress, .listenAddress, in: .webrtc,
            aliases: ["webrtcICEUDPMuxAddress"], "The one UDP socket of all WebRTC media."),
        Setting(
            "webrtcLocalTCPAddress", \.webrtcLocalTCPAddress, .localTCPAddress, in: .webrtc,
            aliases: ["webrtcICETCPMuxAddress"],
            "Where clients that UDP does not reach connect by TCP."),
        Setting(
            "webrtcIPsFromInterfaces", \.webrtcIPsFromInterfaces, .boolean, in: .webrtc, reloadable: true,
            "Offers the addresses of the network interfaces to clients."),
        Setting(
            "webrtcIPsFromInterfacesList", \.webrtcIPsFromInterfacesList, .list(of: .string(maximumLength: 64)),
            in: .webrtc, reloadable: true,
            "Interfaces whose addresses are offered, as eth0 or eth*, or !eth1 for all but it; empty for the usual ones."
        ),
        Setting(
            "webrtcPreferIPv6", \.webrtcPreferIPv6, .boolean, in: .webrtc, reloadable: true,
            "Offers addresses of IPv6 before those of IPv4; public ones come before private ones either way."),
        Setting(
            "webrtcAdditionalHosts", \.webrtcAdditionalHosts, .list(of: .string(maximumLength: 253)), in: .webrtc,
            reloadable: true, aliases: ["webrtcICEHostNAT1To1IPs"],
            "Further addresses or host names offered to clients, such as the public address in front of a NAT."),
        Setting(
            "webrtcICEServers2", \.webrtcICEServers2, .list(of: .iceServer), in: .webrtc, reloadable: true,
            aliases: ["webrtcICEServers"], "STUN and TURN servers that clients are told to use."),
        Setting(
            "webrtcHandshakeTimeout", \.webrtcHandshakeTimeout, .duration(.seconds(1)...(.seconds(120))), in: .webrtc,
            reloadable: true,
            "How long a session may take until the first connectivity check, and again for the handshake."),
        Setting(
            "webrtcDTLSRole", \.webrtcDTLSRole, .choice(), in: .webrtc, reloadable: true,
            "Side of the DTLS handshake the server takes when the client leaves it the choice."),
        Setting(
            "webrtcICEConsentTimeout", \.webrtcICEConsentTimeout, .duration(.seconds(10)...(.seconds(60))),
            in: .webrtc, reloadable: true,
            "Silence after which a client is sent nothing more (RFC 7675); 15s later its session ends."),
        Setting(
            "webrtcCounterOffers", \.webrtcCounterOffers, .boolean, in: .webrtc, reloadable: true,
            "Answers a viewer without a codec of the room by 406 and an offer of the server's own, not by 422."),
        Setting(
            "mediaLoops", \.mediaLoops, .integer(0...256, zeroMeans: "one per core"), in: .webrtc,
            "Threads that carry media."),
    ]

    private static let rtspSettings: [Setting<ServerSettings>] = [
        Setting(
            "rtsp", \.rtsp, .boolean, in: .rtsp, aliases: [SettingAlias("rtspDisable", isInverted: true)],
            "Serves RTSP."),
        Setting(
            "rtspTransports", \.rtspTransports, .list(of: .choice()), in: .rtsp, aliases: ["protocols"],
            "How media may travel: beside the connection over UDP, one by one or to multicast groups, or inside it."
        ),
        Setting("rtspAddress", \.rtspAddress, .listenAddress, in: .rtsp, "Where RTSP connections are accepted."),
        Setting(
            "rtspEncryption", \.rtspEncryption, .choice(), in: .rtsp, aliases: ["encryption"],
            "Whether RTSP is served over TLS: not at all, beside the plain port, or alone."),
        Setting("rtspsAddress", \.rtspsAddress, .listenAddress, in: .rtsp, "Where RTSP over TLS is accepted."),
        Setting(
            "rtspServerKey", \.rtspServerKey, .string(), in: .rtsp, reloadable: true, aliases: ["serverKey"],
            "File with the private key for RTSP over TLS, PEM."),
        Setting(
            "rtspServerCert", \.rtspServerCert, .string(), in: .rtsp, reloadable: true, aliases: ["serverCert"],
            "File with the certificate chain for RTSP over TLS, PEM."),
        Setting("rtpAddress", \.rtpAddress, .listenAddress, in: .rtsp, "The UDP port of RTSP clients' media."),
        Setting(
            "rtcpAddress", \.rtcpAddress, .listenAddress, in: .rtsp, "The UDP port of reports about that media."),
        Setting(
            "multicastIPRange", \.multicastIPRange, .multicastRange, in: .rtsp,
            "The multicast groups that RTSP readers can be sent to, one for each track that is read so."),
        Setting(
            "multicastRTPPort", \.multicastRTPPort, .integer(1...65_535), in: .rtsp,
            "The port at which multicast readers get media."),
        Setting(
            "multicastRTCPPort", \.multicastRTCPPort, .integer(1...65_535), in: .rtsp,
            "The port at which multicast readers get reports."),
        Setting(
            "rtspAuthMethods", \.rtspAuthMethods, .list(of: .choice()), in: .rtsp, reloadable: true,
            aliases: ["authMethods"],
            "How clients may show the token of a room, as the password of any user; digest needs it in plain here."),
        Setting(
            "rtspFailedLoginDelay", \.rtspFailedLoginDelay, .duration(.zero...(.seconds(10))), in: .rtsp,
            reloadable: true, "How long a client that sent wrong credentials waits for the answer."),
        Setting(
            "rtspHalfOpenTimeout", \.rtspHalfOpenTimeout, .duration(.seconds(1)...(.seconds(60))), in: .rtsp,
            reloadable: true, "How long an RTSP connection may stand before its first request is complete."),
        Setting(
            "rtspMaxHalfOpen", \.rtspMaxHalfOpen, .integer(1...10_000), in: .rtsp, reloadable: true,
            "RTSP connections without a complete request at the same time; more end the one that is silent longest."),
        Setting(
            "rtspTalkSilence", \.rtspTalkSilence, .duration(.milliseconds(100)...(.seconds(60))), in: .rtsp,
            reloadable: true, "How long whoever speaks to a camera may pause before somebody else may speak."),
        Setting(
            "writeQueueSize", \.writeQueueSize, .integer(16...65_536), in: .rtsp, aliases: ["readBufferCount"],
            "Packets that may wait for a slow reader; then it skips to the next keyframe."),
        Setting(
            "udpMaxPayloadSize", \.udpMaxPayloadSize, .integer(576...1_472), in: .rtsp, reloadable: true,
            "Bytes of the largest datagram that is to be sent; larger packets of RTSP publishers are cut."),
        Setting(
            "udpReadBufferSize", \.udpReadBufferSize, .size(ByteCount(0)...ByteCount(1 << 30)), in: .rtsp,
            "What the kernel is asked to hold of datagrams that wait at each port; 0 is 4M, and 2M for what is pulled."),
    ]

    private static let metricsSettings: [Setting<ServerSettings>] = [
        Setting("metrics", \.metrics, .boolean, in: .metrics, "Serves metrics for Prometheus."),
        Setting(
            "metricsAddress", \.metricsAddress, .listenAddress, in: .metrics,
            "Where metrics are served; beyond this machine only with metricsToken."),
        Setting(
            "metricsToken", \.metricsToken, .token, in: .metrics, reloadable: true,
            "Bearer token needed to read metrics; empty when only this machine may."),
    ]

    private static let authorizationSettings: [Setting<ServerSettings>] = [
        Setting(
            "whipToken", \.whipToken, .token, in: .authorization, reloadable: true, environment: ["WHIP_TOKEN"],
            "Bearer token needed to publish to every room that has no publishToken."),
        Setting(
            "allowTokenInQuery", \.allowTokenInQuery, .boolean, in: .authorization, reloadable: true,
            "Takes tokens from the URL (?token=) too; they end up in logs of proxies and in browser histories."),
    ]

    private static let limitSettings: [Setting<ServerSettings>] = [
        Setting(
            "maxSessions", \.maxSessions, .integer(1...1_000_000), in: .limits, reloadable: true,
            "Publishers and viewers of all rooms together; more are answered with 503."),
        Setting(
            "maxRooms", \.maxRooms, .integer(1...1_000_000), in: .limits, reloadable: true, "Rooms at the same time."),
        Setting(
            "maxViewersPerIP", \.maxViewersPerIP, .integer(0...1_000_000, zeroMeans: "no limit"), in: .limits,
            reloadable: true, "Viewers of all rooms from one client address."),
        Setting(
            "maxTranscoders", \.maxTranscoders, .integer(1...1_000), in: .limits, reloadable: true,
            "Rooms whose sound is converted at the same time; viewers of further ones get no sound."),
    ]
}
