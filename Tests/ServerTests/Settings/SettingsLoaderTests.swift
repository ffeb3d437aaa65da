import Loop
import Testing

@testable import Server

@Suite struct SettingsLoaderTests {
    @Test func anOutOfRangeValueNamesFileLineKeyAndRange() {
        #expect(
            faults("logLevel: info\nreadTimeout: 0s\n")
                == "test.yml:2: readTimeout: 0s is out of range; accepted: duration, from 1s to 10m")
    }

    @Test func anUnknownKeySuggestsTheNearest() {
        #expect(
            faults("webrtcAdress: :80") == "test.yml:1: webrtcAdress: unknown setting; did you mean 'webrtcAddress'?")
        #expect(faults("loglevel: info") == "test.yml:1: loglevel: unknown setting; did you mean 'logLevel'?")
        #expect(faults("path: {}") == "test.yml:1: path: unknown setting; did you mean 'paths'?")
        #expect(faults("\n\nzzzzqqqq: 1") == "test.yml:3: zzzzqqqq: unknown setting")
        #expect(
            faults("paths:\n  cam1:\n    maxReader: 1")
                == "test.yml:3: paths.cam1.maxReader: unknown setting; did you mean 'maxReaders'?")
    }

    /// A source that always plays would be pulled once for each name that somebody thinks of.
    @Test func aSourceOfManyRoomsIsPulledOnDemandOnly() throws {
        let problem =
            "a path that is no single room (a pattern or all_others) and has a source needs 'sourceOnDemand: yes'"
        let source = "source: rtsp://u:p@192.0.2.1/cam"
        for name in ["all_others", "'~^cam'"] {
            let shown = name.filter { $0 != "'" }
            #expect(faults("paths:\n  \(name): {\(source)}") == "test.yml:2: paths.\(shown): \(problem)")
            let loaded = try load("paths:\n  \(name): {\(source), sourceOnDemand: yes}")
            #expect(loaded.warnings.isEmpty)
        }
        for rest in ["", "paths:\n"] {
            #expect(faults("pathDefaults: {\(source)}\n\(rest)") == "test.yml:1: pathDefaults: \(problem)")
        }
        #expect(try load("paths:\n  cam: {\(source)}").warnings.isEmpty)
    }

    /// What stands in a URL may be a password or a token.
    @Test func faultsOfURLsShowNoSecrets() {
        for key in ["source", "sourceRedirect", "forward"] {
            for url in ["rtspx://me:hidden@192.0.2.1/hidden?token=hidden", "rtsp://me:hidden@192.0.2.1:x/hidden"] {
                let text = faults("paths:\n  cam:\n    \(key): '\(url)'")
                #expect(!text.isEmpty && !text.contains("hidden"), "\(text)")
            }
        }
        #expect(faults("pathDefaults: {source: rtspx://me:x@h/}").contains("'rtspx://…' is not a source"))
        for mistyped in ["rtsp:/me:secret@h/", "rtsp//me:secret@h/", "me:secret@rtsp://h/", "secret@h"] {
            let told = faults("pathDefaults: {source: '\(mistyped)'}")
            #expect(told.contains("this URL is not a source") && !told.contains("secret"), "\(told)")
        }
        #expect(faults("pathDefaults: {source: publish}").contains("'publish' is not a source"))
    }

    @Test func allFaultsAreReportedAtOnce() {
        let text = faults("readTimeout: x\nnonsense12345: 1\npaths: {'a//b': , '~(': }\n")
        #expect(text.split(separator: "\n").count == 4)
        #expect(text.contains("paths.~(: not a regular expression: '(' without ')'"))
        #expect(text.contains("two in a row"))
    }

    @Test func settingsOfMediaMTXThatAreMissingWarnAndAreIgnored() throws {
        let loaded = try load(
            "rtmp: yes\nhlsVariant: lowLatency\npaths:\n  cam1:\n    record: yes\n    runOnReady: x\n")
        #expect(
            loaded.warnings.map(\.description) == [
                "test.yml:1: rtmp: known MediaMTX setting, not available in this version; ignored",
                "test.yml:2: hlsVariant: known MediaMTX setting, not available in this version; ignored",
                "test.yml:5: paths.cam1.record: known MediaMTX setting, not available in this version; ignored",
                "test.yml:6: paths.cam1.runOnReady: known MediaMTX setting, not available in this version; ignored",
            ])
    }

    /// Without Basic no usual RTSP client can show a token of which only a hash is known.
    @Test func hashedTokensWithoutBasicWarn() throws {
        let token = "'sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='"
        let paths = "paths: {a: {readToken: \(token)}, b: {publishToken: \(token), readToken: plain}}"
        let warnings = try load("rtspAuthMethods: [digest]\n" + paths).warnings
        #expect(
            warnings.map(\.description) == [
                "test.yml:1: rtspAuthMethods: without 'basic' RTSP clients cannot log in where the token is written as "
                    + "sha256: paths.a.readToken and 1 more"
            ])
        #expect(try load(paths).warnings.isEmpty)
        #expect(try load("rtsp: no\nrtspAuthMethods: [digest]\n" + paths).warnings.isEmpty)
        #expect(try load("rtspAuthMethods: [digest]\npaths: {a: {readToken: plain}}").warnings.isEmpty)
    }

    @Test func settingsOfMediaMTXThatSomethingElseStandsInForSayWhat() throws {
        let loaded = try load(
            "readBufferCount: 1024\nsrtpAddress: :8004\npaths:\n  cam1:\n    useAbsoluteTimestamp: yes\n"
                + "    rtspUDPReadBufferSize: 3M\n")
        #expect(
            loaded.warnings.map(\.description) == [
                "test.yml:1: readBufferCount: is the old name of 'writeQueueSize'",
                "test.yml:2: srtpAddress: known MediaMTX setting, not needed here; ignored: SRTP has the ports of rtpAddress",
                "test.yml:5: paths.cam1.useAbsoluteTimestamp: known MediaMTX setting, not needed here; ignored: times of "
                    + "capture are always passed on as publishers report them, in sender reports and abs-capture-time",
            ])
        #expect(loaded.settings.writeQueueSize == 1_024)
        let path = try #require(loaded.settings.room(named: "cam1")).path
        #expect(loaded.settings.udpSocketSettings(usual: 1, of: path).receiveBufferSize == 3 << 20)
        #expect(loaded.settings.udpSocketSettings(usual: 1, of: PathSettings()).receiveBufferSize == 1)
    }

    @Test func everySettingOfMediaMTXLoads() throws {
        let keys = MediaMTXKeys.notAvailable.sorted()
        let lines = keys.map { "\($0):\n" }.joined()
        let inPath = keys.map { "    \($0): ''\n" }.joined()
        let loaded = try load(lines + "paths:\n  cam1:\n" + inPath)
        #expect(loaded.warnings.count == 2)
        for (warning, start) in zip(loaded.warnings, [1, keys.count + 3]) {
            #expect(warning.origin.line == start)
            #expect(warning.message.hasPrefix("\(keys.count) known MediaMTX settings"))
            for (index, key) in keys.enumerated() {
                #expect(warning.message.contains("\(key) (line \(start + index))"))
            }
        }
    }

    @Test func tooManyFaultsAreCounted() {
        let text = faults((0..<150).map { "unknownKey\($0): 1\n" }.joined())
        #expect(text.split(separator: "\n").count == SettingsReport.maximumProblems + 1)
        #expect(text.hasSuffix("test.yml:100: and 50 more faults"))
    }

    @Test func theDefaultUsersOfMediaMTXLoad() throws {
        let loaded = try load(
            """
            authMethod: internal
            authInternalUsers:
            - user: any
              pass:
              ips: []
              permissions:
              - action: publish
                path:
              - action: read
                path:
              - action: playback
                path:
            - user: any
              pass:
              ips: ['127.0.0.1', '::1']
              permissions:
              - action: api
            authHTTPAddress:
            authJWTJWKS:
            """)
        #expect(loaded.warnings.count == 4)
    }

    @Test(arguments: [
        "authMethod: http", "authHTTPAddress: http://x/auth", "authJWTJWKS: https://x/jwks",
        "authInternalUsers: [{user: admin, pass: secret, permissions: [{action: publish}, {action: read}]}]",
        "authInternalUsers: [{user: any, ips: [10.0.0.1], permissions: [{action: publish}, {action: read}]}]",
        "authInternalUsers: [{user: any, permissions: [{action: read}]}]",
        "pathDefaults: {readUser: x}", "paths: {cam1: {publishPass: x}}",
    ])
    func ignoringWhatRestrictsAccessIsRefused(_ yaml: String) {
        #expect(faults(yaml).contains("restricts access in MediaMTX"))
    }

    @Test func accessRestrictionsInTheEnvironmentAreRefusedToo() {
        #expect(faults("", environment: ["MTX_AUTHINTERNALUSERS_0_USER": "admin"]).contains("restricts access"))
        #expect(faults("", environment: ["MTX_PATHS_CAM1_READUSER": "admin"]).contains("restricts access"))
    }

    @Test func olderNamesAreReadWithARemark() throws {
        let loaded = try load(
            """
            webrtcDisable: yes
            webrtcICEUDPMuxAddress: :9000
            webrtcICEHostNAT1To1IPs: [192.0.2.9]
            webrtcICEServers: ['stun:s.example:3478', 'turn:u:p:t.example:3478']
            paths:
              all:
                disablePublisherOverride: yes
            """)
        #expect(!loaded.settings.webrtc)
        #expect(loaded.settings.webrtcLocalUDPAddress == ListenAddress(port: 9000))
        #expect(loaded.settings.webrtcAdditionalHosts == ["192.0.2.9"])
        #expect(loaded.settings.webrtcICEServers2.map(\.url) == ["stun:s.example:3478", "turn:t.example:3478"])
        #expect(loaded.settings.webrtcICEServers2.last?.password.revealed == "p")
        #expect(loaded.settings.room(named: "x")?.overridePublisher == false)
        #expect(loaded.warnings.count == 5)
        #expect(
            loaded.warnings.first?.description
                == "test.yml:1: webrtcDisable: is the old name of 'webrtc', which means the opposite")
    }

    @Test func twoNamesOfOneSettingAreAFault() {
        #expect(
            faults("webrtc: yes\nwebrtcDisable: yes")
                == "test.yml:2: webrtcDisable: means the same as 'webrtc', which is also there")
    }

    @Test func metricsBeyondThisMachineNeedAToken() throws {
        #expect(faults("metricsAddress: :9998").hasPrefix("test.yml:1: metricsAddress: "))
        #expect(faults("metrics: no\nmetricsAddress: :9998") == "")
        #expect(faults("metrics: yes\nmetricsAddress: :9998\nmetricsToken: t") == "")
    }

    @Test func withoutAnyAddressToOfferTheConfigurationIsRefused() {
        #expect(faults("webrtcIPsFromInterfaces: no").contains("webrtcAdditionalHosts"))
    }

    @Test func encryptionNeedsItsFiles() {
        #expect(faults("webrtcEncryption: yes\nwebrtcServerKey: ''").contains("needs webrtcServerKey"))
        #expect(faults("logDestinations: [file]\nlogFile: ''").contains("needs logFile"))
    }

    @Test func secretsAreNotPrinted() throws {
        let loaded = try load(
            "whipToken: hunter2\nwebrtcICEServers2: [{url: 'turn:t', password: hunter2}]\npathDefaults: {readToken: hunter2}"
        )
        var dumped = ""
        dump(loaded, to: &dumped)
        #expect(!dumped.contains("hunter2"))
        #expect(!"\(loaded)".contains("hunter2"))
        #expect(!String(reflecting: loaded).contains("hunter2"))
        let token = "hunter2 "
        #expect(!faults("whipToken: '\(token)'").contains("hunter2"))
    }

    @Test func checkTextSaysWhatIsWrongOrThatAllIsWell() {
        let good = SettingsLoader.checkText(yaml: Array("srt: no".utf8), name: "a.yml")
        #expect(good.isValid)
        #expect(good.text.hasPrefix("warning: a.yml:1: srt: known MediaMTX") && good.text.hasSuffix("a.yml: valid"))
        let bad = SettingsLoader.checkText(yaml: Array("x9: 1".utf8), name: "a.yml")
        #expect(!bad.isValid)
        #expect(bad.text == "error: a.yml:1: x9: unknown setting")
    }

    @Test func theVersionIsKept() throws {
        let loaded = try SettingsLoader.load(yaml: nil, version: 7)
        #expect(loaded.settings.version == 7)
        #expect(loaded.settings.room(named: "a")?.version == 7)
    }

    @Test func aReloadSaysWhatNeedsARestart() throws {
        let new = try load("logLevel: debug\nwebrtcAddress: :80\nmaxRooms: 3\nmediaLoops: 2").settings
        #expect(ServerSettings().keysNeedingRestart(for: new) == ["webrtcAddress", "mediaLoops"])
        #expect(new.keysNeedingRestart(for: new) == [])
    }

    @Test func aMissingFileNamesItselfAndTheReason() {
        #expect(throws: SettingProblem.self) { try SystemInputs.readFile("/nonexistent/martlet.yml") }
        #expect(SystemInputs.environment()["PATH"] != nil)
    }
}
