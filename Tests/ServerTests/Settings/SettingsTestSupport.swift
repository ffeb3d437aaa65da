import Testing

@testable import Server

func load(_ yaml: String?, environment: [String: String] = [:]) throws -> LoadedSettings {
    try SettingsLoader.load(yaml: yaml.map { Array($0.utf8) }, name: "test.yml", environment: environment)
}

/// The faults of a configuration, one per line; empty when it loads.
func faults(_ yaml: String, environment: [String: String] = [:]) -> String {
    do {
        _ = try load(yaml, environment: environment)
        return ""
    } catch {
        return "\(error)"
    }
}

/// A value for a setting that differs from its default, as YAML and as an environment variable writes it.
struct OtherValue: Sendable, CustomTestStringConvertible {
    var key: String
    var yaml: String
    var environment: String
    /// What the setting writes after reading it; nil when it does not show itself.
    var text: String?

    init(_ key: String, _ yaml: String, environment: String? = nil, text: String?) {
        self.key = key
        self.yaml = yaml
        self.environment = environment ?? yaml
        self.text = text
    }
    init(_ key: String, _ yaml: String) { self.init(key, yaml, text: yaml) }

    var testDescription: String { key }

    static let global: [OtherValue] = [
        OtherValue("logLevel", "debug"),
        OtherValue("logDestinations", "[stdout, file]", environment: "stdout,file", text: "[stdout, file]"),
        OtherValue("logStructured", "yes"),
        OtherValue("logFile", "/var/log/m.log"),
        OtherValue("readTimeout", "1m30s"),
        OtherValue("writeTimeout", "2s500ms"),
        OtherValue("httpMaxConnections", "5"),
        OtherValue("httpRequestsPerSecond", "0"),
        OtherValue("httpRequestBurst", "7"),
        OtherValue("httpTokenRequestsPerSecond", "0"),
        OtherValue("httpTokenRequestBurst", "7"),
        OtherValue("httpFailedAuthorizationBurst", "0"),
        OtherValue("webRoot", "/srv/pages"),
        OtherValue("transcoder", "/opt/martlet-transcoder"),
        OtherValue("webrtc", "no"),
        OtherValue("webrtcAddress", "127.0.0.1:80"),
        OtherValue("webrtcEncryption", "yes"),
        OtherValue("webrtcServerKey", "a.pem"),
        OtherValue("webrtcServerCert", "b.pem"),
        OtherValue(
            "webrtcAllowOrigins", "['https://a.example', 'https://b.example']",
            environment: "https://a.example,https://b.example", text: "[https://a.example, https://b.example]"),
        OtherValue(
            "webrtcTrustedProxies", "[10.0.0.0/8, '::1']", environment: "10.0.0.0/8, ::1",
            text: "[10.0.0.0/8, '::1/128']"),
        OtherValue("webrtcLocalUDPAddress", "'[::1]:9000'", environment: "[::1]:9000", text: "'[::1]:9000'"),
        OtherValue("webrtcLocalTCPAddress", "no"),
        OtherValue("webrtcIPsFromInterfaces", "no"),
        OtherValue("webrtcIPsFromInterfacesList", "[eth0]", environment: "eth0", text: "[eth0]"),
        OtherValue("webrtcPreferIPv6", "yes"),
        OtherValue("webrtcAdditionalHosts", "[203.0.113.7]", environment: "203.0.113.7", text: "[203.0.113.7]"),
        OtherValue(
            "webrtcICEServers2", "[{url: 'stun:stun.example:3478'}]", environment: "stun:stun.example:3478",
            text: "[{url: stun:stun.example:3478, username: ''}]"),
        OtherValue("webrtcHandshakeTimeout", "12s"),
        OtherValue("webrtcDTLSRole", "active"),
        OtherValue("webrtcICEConsentTimeout", "10s"),
        OtherValue("webrtcCounterOffers", "no"),
        OtherValue("mediaLoops", "2"),
        OtherValue("rtsp", "no"),
        OtherValue("rtspTransports", "[tcp]", environment: "tcp", text: "[tcp]"),
        OtherValue("rtspAddress", "127.0.0.1:554"),
        OtherValue("rtspEncryption", "strict"),
        OtherValue("rtspsAddress", "127.0.0.1:322"),
        OtherValue("rtspServerKey", "c.pem"),
        OtherValue("rtspServerCert", "d.pem"),
        OtherValue("rtpAddress", "127.0.0.1:9000"),
        OtherValue("rtcpAddress", "127.0.0.1:9001"),
        OtherValue("multicastIPRange", "239.2.0.0/24"), OtherValue("multicastRTPPort", "9002"),
        OtherValue("multicastRTCPPort", "9003"),
        OtherValue("rtspAuthMethods", "[digest]", environment: "digest", text: "[digest]"),
        OtherValue("rtspFailedLoginDelay", "0s"),
        OtherValue("rtspHalfOpenTimeout", "5s"),
        OtherValue("rtspMaxHalfOpen", "10"),
        OtherValue("rtspTalkSilence", "500ms"),
        OtherValue("writeQueueSize", "1024"),
        OtherValue("udpMaxPayloadSize", "1200"),
        OtherValue("udpReadBufferSize", "8M"),
        OtherValue("metrics", "no"),
        OtherValue("metricsAddress", "127.0.0.1:1"),
        OtherValue("metricsToken", "m1", text: "'[redacted]'"),
        OtherValue("whipToken", "w1", text: "'[redacted]'"),
        OtherValue("allowTokenInQuery", "yes"),
        OtherValue("maxSessions", "1"),
        OtherValue("maxRooms", "1"),
        OtherValue("maxViewersPerIP", "0"),
        OtherValue("maxTranscoders", "2"),
    ]

    private static let fingerprint = String(repeating: "0123456789abcdef", count: 4)

    static let path: [OtherValue] = [
        OtherValue("source", "publisher"),
        OtherValue("sourceRedirect", "rtsp://a/b", text: "'rtsp://a/b'"),
        OtherValue("sourceOnDemand", "yes"),
        OtherValue("sourceOnDemandStartTimeout", "5s"),
        OtherValue("sourceOnDemandCloseAfter", "0s"),
        OtherValue("sourceFingerprint", fingerprint),
        OtherValue("rtspTransport", "tcp"),
        OtherValue("rtspAnyPort", "yes"), OtherValue("rtspBackChannel", "yes"),
        OtherValue("rtspUDPReadBufferSize", "1M"),
        OtherValue("rtspUDPSourcePortRange", "[20000, 30000]", environment: "20000, 30000", text: "[20000, 30000]"),
        OtherValue(
            "forward", "['rtsp://u:p@h/a']", environment: "rtsp://u:p@h/a",
            text: "[{url: 'rtsp://h/a', transport: tcp}]"),
        OtherValue("overridePublisher", "no"),
        OtherValue("publisherHoldTimeout", "30s"),
        OtherValue("backupPublishers", "always"),
        OtherValue("maxBackupPublishers", "5"),
        OtherValue("backupSilenceTimeout", "1s500ms"),
        OtherValue("backupReturn", "never"),
        OtherValue("maxReaders", "3"),
        OtherValue("playoutDelay", "100ms-400ms"),
        OtherValue("lossPlayoutDelay", "1s"),
        OtherValue("publishToken", "p1", text: "'[redacted]'"),
        OtherValue("readToken", "r1", text: "'[redacted]'"),
        OtherValue("whepIdlePolicy", "notFound404"),
        OtherValue("keyframeCache", "no"),
        OtherValue("recoveryPointStart", "never"),
        OtherValue("convertAudio", "no"),
        OtherValue("convertedAudioBitrate", "64k"),
    ]
}
