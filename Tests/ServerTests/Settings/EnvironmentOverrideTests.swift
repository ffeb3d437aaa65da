import Testing

@testable import Server

@Suite struct EnvironmentOverrideTests {
    @Test func theEnvironmentWinsAndTheStrongerPrefixWins() throws {
        let loaded = try load(
            "maxRooms: 1",
            environment: ["RTSP_MAXROOMS": "2", "MTX_MAXROOMS": "3", "MARTLET_MAXROOMS": "4", "MTX_MAXSESSIONS": "5"])
        #expect(loaded.settings.maxRooms == 4)
        #expect(loaded.settings.maxSessions == 5)
    }

    @Test func aFaultNamesTheVariable() {
        #expect(
            faults("", environment: ["MTX_MAXROOMS": "x"])
                == "environment variable MTX_MAXROOMS: maxRooms: 'x' is not an integer; accepted: integer, "
                + "from 1 to 1000000")
    }

    @Test func aVariableReplacesAnOlderNameInTheFile() throws {
        let loaded = try load("webrtcAllowOrigin: a", environment: ["FRONTEND_URL": "https://f.example"])
        #expect(loaded.settings.webrtcAllowOrigins == ["https://f.example"])
        let other = try load("webrtcDisable: yes", environment: ["MTX_WEBRTC": "yes"])
        #expect(other.settings.webrtc)
    }

    @Test func pathsAreMadeAndFound() throws {
        let loaded = try load(
            "paths: {live/main: {maxReaders: 1}, all_others: }",
            environment: [
                "MTX_PATHS_LIVE_MAIN_MAXREADERS": "2", "MTX_PATHS_CAM1_MAXREADERS": "3",
                "MTX_PATHS_ALL_OTHERS_MAXREADERS": "4", "MTX_PATHS_CAM1_SOURCE": "publisher",
            ])
        #expect(loaded.settings.room(named: "live/main")?.maxReaders == 2)
        #expect(loaded.settings.room(named: "cam1")?.maxReaders == 3)
        #expect(loaded.settings.room(named: "other")?.maxReaders == 4)
    }

    @Test func elementsOfListsOfMapsAreAddressedByIndex() throws {
        var environment = ["MTX_WEBRTCICESERVERS2_0_USERNAME": "u", "MTX_WEBRTCICESERVERS2_0_PASSWORD": "p"]
        for index in 0...11 { environment["MTX_WEBRTCICESERVERS2_\(index)_URL"] = "stun:s\(index).example" }
        let loaded = try load(nil, environment: environment)
        #expect(loaded.settings.webrtcICEServers2.map(\.url) == (0...11).map { "stun:s\($0).example" })
        #expect(loaded.settings.webrtcICEServers2.first?.username == "u")
        let gap = try load(nil, environment: ["MTX_WEBRTCICESERVERS2_1_URL": "stun:x"])
        #expect(gap.settings.webrtcICEServers2.isEmpty && gap.warnings.count == 1)
    }

    @Test func variablesNobodyReadsAreRemarkedOnUnlessThePrefixIsCommon() throws {
        let loaded = try load(
            nil,
            environment: [
                "MTX_LOGLEVL": "info", "MTX_RTMP": "yes", "MARTLET_PORT_80_TCP": "tcp://10.0.0.1", "RTSP_PORT": "1",
                "UNRELATED": "x",
            ])
        #expect(
            loaded.warnings.map(\.description) == [
                "environment variable MTX_LOGLEVL: not a setting; ignored; did you mean MTX_LOGLEVEL?",
                "environment variable MARTLET_PORT_80_TCP: not a setting; ignored",
                "environment variable MTX_RTMP: rtmp: known MediaMTX setting, not available in this version; ignored",
            ])
    }

    @Test func namesOfSigmaMediaServerWork() throws {
        let loaded = try load(
            "webrtcAddress: :1",
            environment: [
                "TCP_ADDRESS": "127.0.0.1", "TCP_PORT": "8080", "UDP_ADDRESS": "::1", "UDP_PORT": "9000",
                "WHIP_TOKEN": "secret", "FRONTEND_URL": "https://player.example", "STORAGE_DIR": "/data",
                "CERTS_DIR": "/certs",
            ])
        let settings = loaded.settings
        #expect(settings.webrtcAddress.description == "127.0.0.1:8080")
        #expect(settings.webrtcLocalUDPAddress.description == "[::1]:9000")
        #expect(settings.whipToken == AccessToken(settingText: "secret"))
        #expect(settings.webrtcAllowOrigins == ["https://player.example"])
        #expect(settings.webrtcServerCert == "/certs/cert.pem")
        #expect(settings.webrtcServerKey == "/certs/key.pem")
        #expect(loaded.warnings.map(\.origin.source) == ["environment variable STORAGE_DIR"])
    }

    @Test func anAddressAloneKeepsTheDefaultPort() throws {
        let loaded = try load(nil, environment: ["TCP_ADDRESS": "127.0.0.1", "UDP_PORT": "9"])
        #expect(loaded.settings.webrtcAddress.description == "127.0.0.1:8889")
        #expect(loaded.settings.webrtcLocalUDPAddress.description == ":9")
        #expect(faults("", environment: ["UDP_ADDRESS": "nowhere"]).hasPrefix("environment variable UDP_ADDRESS: "))
    }

    @Test func emptyVariablesOfOtherProgramsCountAsMissing() throws {
        let loaded = try load(nil, environment: ["TCP_PORT": "", "WHIP_TOKEN": "", "CERTS_DIR": "", "STORAGE_DIR": ""])
        #expect(loaded.settings.webrtcAddress == ListenAddress(port: 8889))
        #expect(loaded.settings.whipToken == nil)
        #expect(loaded.warnings.isEmpty)
    }

    @Test func aPathsValueThatIsNoMapStaysAFault() {
        let text = faults("paths: 3", environment: ["MTX_PATHS_CAM1_MAXREADERS": "1"])
        #expect(text == "test.yml:1: paths: a map of path names is needed")
    }
}
