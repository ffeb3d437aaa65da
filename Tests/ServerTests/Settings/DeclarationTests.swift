import Testing

@testable import Server

@Suite struct DeclarationTests {
    /// Settings that are refused alone in the tables below and what makes them acceptable.
    private static let companions = ["webrtcIPsFromInterfaces": "webrtcAdditionalHosts: [192.0.2.1]\n"]

    @Test func everyGlobalSettingIsInTheTable() {
        #expect(OtherValue.global.map(\.key) == ServerSettings.declarations.map(\.key))
    }

    @Test func everyPathSettingIsInTheTable() {
        #expect(OtherValue.path.map(\.key) == PathSettings.declarations.map(\.key))
    }

    @Test(arguments: OtherValue.global)
    func isReadFromYAML(_ value: OtherValue) throws {
        let setting = try #require(ServerSettings.declarations.first { $0.key == value.key })
        let loaded = try load("\(Self.companions[value.key] ?? "")\(value.key): \(value.yaml)")
        #expect(setting.text(loaded.settings) == value.text)
        #expect(setting.text(loaded.settings) != setting.text(ServerSettings()))
        #expect(loaded.warnings.isEmpty)
    }

    @Test(arguments: OtherValue.global, ["MTX_", "MARTLET_", "RTSP_"])
    func isReadFromTheEnvironment(_ value: OtherValue, _ prefix: String) throws {
        let setting = try #require(ServerSettings.declarations.first { $0.key == value.key })
        let loaded = try load(
            Self.companions[value.key] ?? "", environment: [prefix + value.key.uppercased(): value.environment])
        #expect(setting.text(loaded.settings) == value.text)
        #expect(loaded.warnings.isEmpty)
    }

    @Test(arguments: OtherValue.path)
    func pathSettingIsReadFromYAML(_ value: OtherValue) throws {
        let setting = try #require(PathSettings.declarations.first { $0.key == value.key })
        let inherited = try load("pathDefaults: {\(value.key): \(value.yaml)}\npaths: {cam1: }")
        let own = try load("paths:\n  cam1:\n    \(value.key): \(value.yaml)\n")
        #expect(setting.text(inherited.settings.pathDefaults) == value.text)
        for loaded in [inherited, own] {
            let room = try #require(loaded.settings.room(named: "cam1"))
            #expect(setting.text(room.path) == value.text)
        }
    }

    @Test(arguments: OtherValue.path)
    func pathSettingIsReadFromTheEnvironment(_ value: OtherValue) throws {
        let setting = try #require(PathSettings.declarations.first { $0.key == value.key })
        let key = value.key.uppercased()
        let own = try load("paths: {cam1: }", environment: ["MTX_PATHS_CAM1_\(key)": value.environment])
        let defaults = try load(nil, environment: ["MTX_PATHDEFAULTS_\(key)": value.environment])
        for loaded in [own, defaults] {
            let room = try #require(loaded.settings.room(named: "cam1"))
            #expect(setting.text(room.path) == value.text)
        }
    }

    @Test func keysAndOtherNamesAreUnique() {
        let global = ServerSettings.declarations.flatMap(\.names).map { $0.name.uppercased() }
        let path = PathSettings.declarations.flatMap(\.names).map { $0.name.uppercased() }
        #expect(Set(global).count == global.count)
        #expect(Set(path).count == path.count)
        #expect(MediaMTXKeys.notAvailable.isDisjoint(with: MediaMTXKeys.elsewhere.keys))
        #expect(
            Set(MediaMTXKeys.elsewhere.keys).isDisjoint(with: ServerSettings.declarations.flatMap(\.names).map(\.name)))
        #expect(
            Set(MediaMTXKeys.elsewhere.keys).isDisjoint(with: PathSettings.declarations.flatMap(\.names).map(\.name)))
        #expect(MediaMTXKeys.notAvailable.isDisjoint(with: ServerSettings.declarations.flatMap(\.names).map(\.name)))
        #expect(MediaMTXKeys.notAvailable.isDisjoint(with: PathSettings.declarations.flatMap(\.names).map(\.name)))
    }

    @Test func helpIsOneSentence() {
        let helps = ServerSettings.declarations.map(\.help) + PathSettings.declarations.map(\.help)
        for help in helps {
            #expect(help.hasSuffix(".") && help.utf8.count < 120 && !help.contains("|"), "\(help)")
        }
    }

    @Test func defaultsAreValid() throws {
        let loaded = try load(nil)
        for setting in ServerSettings.declarations {
            #expect(setting.text(loaded.settings) == setting.text(ServerSettings()))
        }
        #expect(loaded.settings.room(named: "anything") != nil)
        #expect(loaded.settings.metricsAddress.isLoopback)
    }

    struct Bound: Sendable {
        var key: String
        var good: [String]
        var bad: [String]
        var isPath = false
    }

    static let bounds: [Bound] = [
        Bound(key: "readTimeout", good: ["1s", "10m"], bad: ["999ms", "10m1s", "0", "-1s", "soon", "", "1", "[1s]"]),
        Bound(key: "writeTimeout", good: ["1s", "10m"], bad: ["999ms", "601s"]),
        Bound(key: "httpMaxConnections", good: ["1", "1000000"], bad: ["0", "1000001", "-1", "1.5", "+1", "x"]),
        Bound(key: "httpRequestsPerSecond", good: ["0", "1000000"], bad: ["-1", "1000001"]),
        Bound(key: "httpRequestBurst", good: ["1", "1000000"], bad: ["0", "1000001"]),
        Bound(key: "httpTokenRequestsPerSecond", good: ["0", "1000000"], bad: ["-1", "1000001"]),
        Bound(key: "httpTokenRequestBurst", good: ["1", "1000000"], bad: ["0", "1000001"]),
        Bound(key: "httpFailedAuthorizationBurst", good: ["0", "1000000"], bad: ["-1", "1000001"]),
        Bound(key: "webrtcHandshakeTimeout", good: ["1s", "2m"], bad: ["999ms", "121s"]),
        Bound(key: "webrtcICEConsentTimeout", good: ["10s", "60s"], bad: ["9999ms", "61s"]),
        Bound(key: "rtspFailedLoginDelay", good: ["0s", "10s"], bad: ["-1s", "10001ms"]),
        Bound(key: "rtspHalfOpenTimeout", good: ["1s", "1m"], bad: ["999ms", "61s"]),
        Bound(key: "rtspTalkSilence", good: ["100ms", "1m"], bad: ["99ms", "61s"]),
        Bound(key: "rtspMaxHalfOpen", good: ["1", "10000"], bad: ["0", "10001"]),
        Bound(key: "mediaLoops", good: ["0", "256"], bad: ["-1", "257"]),
        Bound(key: "maxSessions", good: ["1", "1000000"], bad: ["0", "1000001", "99999999999999999999"]),
        Bound(key: "maxRooms", good: ["1", "1000000"], bad: ["0", "1000001"]),
        Bound(key: "maxViewersPerIP", good: ["0", "1000000"], bad: ["-1", "1000001"]),
        Bound(key: "maxTranscoders", good: ["1", "1000"], bad: ["0", "1001"]),
        Bound(key: "maxReaders", good: ["0", "1000000"], bad: ["-1", "1000001"], isPath: true),
        Bound(key: "publisherHoldTimeout", good: ["0", "1h"], bad: ["-1s", "1h1s"], isPath: true),
        Bound(
            key: "playoutDelay", good: ["publisher", "0s-0s", "200ms", "0-40s"],
            bad: ["off", "400ms-100ms", "41s", "1s-2s-3s", "-1s"], isPath: true),
        Bound(key: "lossPlayoutDelay", good: ["0s", "5s"], bad: ["-1s", "5001ms", "publisher"], isPath: true),
        Bound(key: "backupPublishers", good: ["asked", "always"], bad: ["never", "yes"], isPath: true),
        Bound(key: "maxBackupPublishers", good: ["0", "16"], bad: ["-1", "17"], isPath: true),
        Bound(key: "backupSilenceTimeout", good: ["500ms", "1m"], bad: ["499ms", "61s", "0"], isPath: true),
        Bound(
            key: "backupReturn", good: ["immediately", "never", "100ms", "1h"], bad: ["soon", "0s", "99ms", "2h"],
            isPath: true),
        Bound(
            key: "recoveryPointStart", good: ["never", "0s", "300s"], bad: ["no", "301s", "-1s", "10"], isPath: true),
        Bound(key: "webrtc", good: ["yes", "true", "on", "no", "False", "OFF"], bad: ["maybe", "1", "", "{}"]),
        Bound(key: "webrtcDTLSRole", good: ["active", "passive"], bad: ["actpass", "Active", ""]),
        Bound(
            key: "convertedAudioBitrate", good: ["6k", "6000", "510k"],
            bad: ["5999", "511k", "1M", "k", "-6k", "96 k"],
            isPath: true),
        Bound(key: "whepIdlePolicy", good: ["conflict409", "notFound404"], bad: ["409"], isPath: true),
        Bound(
            key: "webrtcAddress", good: [":0", ":65535", "localhost:1", "'[::]:8889'", "0.0.0.0:8889"],
            bad: ["8889", ":65536", "host:80", "::1:80", "1.2.3.4", "':'", ":-1", ":+1"]),
        Bound(
            key: "webrtcTrustedProxies", good: ["[]", "[0.0.0.0/0]", "['::/0']", "[192.0.2.1/32]"],
            bad: ["[10.0.0.0/33]", "[10.0.0/8]", "['::/129']", "[10.0.0.0/-1]", "{a: b}", "[10.0.0.0/]"]),
        Bound(
            key: "webrtcICEServers2",
            good: ["[]", "[{url: 'turn:t:3478', username: u, password: p, clientOnly: yes}]", "['turn:u:p:t:3478']"],
            bad: ["[{url: 'http://x'}]", "[{username: u}]", "[{url: 'stun:x', color: red}]", "[{url: 'stun:'}]", "[3]"]),
        Bound(
            key: "whipToken", good: ["''", "abc", "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="],
            bad: ["'a b'", "sha256:abc", "'sha256:!!'", "\"a\\nb\"", "[a]"]),
        Bound(key: "logDestinations", good: ["[stdout]", "file"], bad: ["[stderr]", "syslog"]),
        Bound(
            key: "source", good: ["publisher", "rtsp://a/b"], bad: ["ftp://x", "publishers"], isPath: true),
    ]

    @Test(arguments: bounds)
    func boundsHold(_ bound: Bound) {
        func yaml(_ value: String) -> String {
            bound.isPath ? "pathDefaults:\n  \(bound.key): \(value)\npaths: {cam: }\n" : "\n\(bound.key): \(value)\n"
        }
        for value in bound.good { #expect(faults(yaml(value)) == "", "\(bound.key): \(value)") }
        for value in bound.bad {
            let text = faults(yaml(value))
            #expect(text.hasPrefix("test.yml:2: "), "\(bound.key): \(value) gave '\(text)'")
            #expect(text.contains("\(bound.key): ") && text.contains("accepted: "), "\(text)")
        }
    }
}
