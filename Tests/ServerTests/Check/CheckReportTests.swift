import Testing
import Wire

@testable import Server

struct CheckReportTests {
    private static let publicClient = SocketAddress(ipv4: 0xC633_6407, port: 1)
    private static let privateClient = SocketAddress(ipv4: 0xC0A8_0107, port: 1)
    private static let local = SocketAddress(ipv4: 0x7F00_0001, port: 1)

    /// A server without a fault, asked from the internet.
    private func facts(_ client: SocketAddress = publicClient) -> CheckFacts {
        CheckFacts(
            client: client, isSecure: true, httpListeners: [SocketAddress(ipv4: 0, port: 8889)],
            sockets: [
                CheckFacts.MediaSocket(
                    address: SocketAddress(ipv4: 0, port: 8189), receiveBufferSize: 4 << 20, isSegmenting: true,
                    isCoalescing: true)
            ],
            candidates: [SocketAddress(ipv4: 0xCB00_7105, port: 8189)], datagramsReceived: 10, secondsSinceCheck: 3,
            httpsSecondsLeft: 90 * 86_400, dtlsSecondsLeft: 3_650 * 86_400, uptimeSeconds: 100,
            wallMilliseconds: 1_800_000_000_000,
            limits: [CheckFacts.Limit(name: "maxSessions", used: 5, limit: 100)])
    }

    private func item(_ id: String, _ facts: CheckFacts) -> CheckItem? {
        CheckReport(facts).items.first { $0.id == id }
    }

    @Test func aServerWithoutFaultsIsOkAndHasNoAdvice() {
        let report = CheckReport(facts())
        #expect(report.status == .ok)
        #expect(report.items.allSatisfy { $0.advice == nil })
        #expect(Set(report.items.map(\.id)).count == report.items.count)
    }

    @Test func whatIsNotOkComesWithAdvice() {
        var facts = CheckFacts(client: Self.publicClient, isSecure: false)
        facts.limits = [CheckFacts.Limit(name: "maxRooms", used: 10, limit: 10)]
        facts.datagramsUnsent = 1
        for item in CheckReport(facts).items where item.status != .ok { #expect(item.advice != nil) }
        #expect(CheckReport(facts).status == .fail)
    }

    @Test func addressesAreJudgedFromWhereTheClientIs() {
        var facts = facts()
        facts.candidates = [SocketAddress(ipv4: 0xC0A8_0101, port: 8189)]
        #expect(item("candidates", facts)?.status == .fail)
        facts.client = Self.privateClient
        #expect(item("candidates", facts)?.status == .ok)
        facts.candidates = [SocketAddress(ipv4: 0x7F00_0001, port: 8189)]
        #expect(item("candidates", facts)?.status == .fail)
        facts.client = Self.local
        #expect(item("candidates", facts)?.status == .warn)
        facts.candidates = []
        #expect(item("candidates", facts)?.status == .fail)
    }

    /// A container's address is of no use on the network around it.
    @Test func privateAddressesOfAnotherNetworkAreDoubted() throws {
        var facts = facts(Self.privateClient)
        facts.candidates = [SocketAddress(ipv4: 0xAC11_0002, port: 8189)]
        let found = try #require(item("candidates", facts))
        #expect(found.status == .warn && found.advice?.contains("webrtcAdditionalHosts") == true)
        facts.candidates.append(SocketAddress(ipv4: 0xC0A8_0101, port: 8189))
        #expect(item("candidates", facts)?.status == .ok)
        facts.candidates = [
            SocketAddress(ipv4: 0xAC11_0002, port: 8189), SocketAddress(ipv4: 0xCB00_7105, port: 8189),
        ]
        #expect(item("candidates", facts)?.status == .ok)
        facts.candidates = [SocketAddress(ipv4: 0xAC11_0002, port: 8189)]
        facts.client = Self.local
        #expect(item("candidates", facts)?.status == .ok)
    }

    @Test func checksOverTCPDoNotShowThatUDPGetsThrough() throws {
        var facts = facts()
        #expect(item("path", facts)?.status == .ok)
        facts.secondsSinceStreamCheck = 2
        #expect(item("path", facts)?.status == .ok, "over UDP as well")
        facts.secondsSinceCheck = nil
        let found = try #require(item("path", facts))
        #expect(found.status == .warn && found.what.contains("over TCP, and none over UDP"))
        #expect(found.advice?.contains("UDP is blocked") == true)
        facts.secondsSinceStreamCheck = nil
        #expect(item("path", facts)?.what.contains("no connectivity check") == true)
    }

    @Test func addressesOfTheOtherFamilyAreOfNoUseByThemselves() throws {
        var facts = facts()
        facts.candidates = [SocketAddress(ipv6High: 0x2001_0DB8_0000_0000, low: 5, port: 8189)]
        var found = try #require(item("candidates", facts))
        #expect(found.status == .warn && found.what.contains("0 of use to a client at 198.51.100.7"))
        #expect(found.advice?.contains("clients that have IPv6 as well") == true)
        facts.candidates.append(SocketAddress(ipv4: 0xCB00_7105, port: 8189))
        #expect(item("candidates", facts)?.status == .ok)
        // Out of reach in its own family, and of the other.
        facts.client = SocketAddress(ipv6High: 0x2001_0DB8_0000_0000, low: 9, port: 1)
        facts.candidates = [SocketAddress(ipv4: 0xC0A8_0101, port: 8189)]
        found = try #require(item("candidates", facts))
        #expect(found.status == .fail)
    }

    @Test func everyPortThatIsWantedIsLookedAt() {
        var facts = facts()
        let address = SocketAddress(ipv4: 0, port: 8554)
        for (id, listener) in [
            ("tcp", \CheckFacts.streams), ("rtsp", \.rtsp), ("rtsps", \.rtsps), ("metrics", \.metrics),
        ] as [(String, WritableKeyPath<CheckFacts, CheckFacts.Listener>)] {
            #expect(item(id, facts)?.what.hasSuffix(": off") == true)
            facts[keyPath: listener].isWanted = true
            #expect(item(id, facts)?.status == .warn && item(id, facts)?.advice?.contains("Address") == true)
            facts[keyPath: listener].addresses = [address]
            #expect(item(id, facts)?.status == .ok && item(id, facts)?.what.contains("0.0.0.0:8554") == true)
        }
    }

    @Test func certificatesWarnBeforeTheyExpire() {
        var facts = facts()
        facts.httpsSecondsLeft = 13 * 86_400
        facts.dtlsSecondsLeft = 10 * 86_400
        #expect(item("https", facts)?.status == .warn && item("dtls", facts)?.status == .warn)
        facts.httpsSecondsLeft = -1
        facts.dtlsSecondsLeft = -1
        #expect(item("https", facts)?.status == .fail && item("dtls", facts)?.status == .fail)
    }

    @Test func plainHTTPIsWellOnTheMachineItselfAndBehindAProxy() {
        var facts = facts()
        facts.httpsSecondsLeft = nil
        #expect(item("https", facts)?.status == .ok)
        facts.isSecure = false
        #expect(item("https", facts)?.status == .warn)
        facts.client = Self.local
        #expect(item("https", facts)?.status == .ok)
    }

    @Test func clocksThatStepOrStandInThePastShow() {
        var facts = facts()
        facts.wallDriftMilliseconds = -2_001
        #expect(item("clock", facts)?.status == .warn)
        facts.uptimeSeconds = 86_400
        #expect(item("clock", facts)?.status == .ok)
        facts.wallMilliseconds = 1_000
        #expect(item("clock", facts)?.status == .fail)
    }

    @Test func limitsAreToldBeforeTheyAreMet() {
        var facts = facts()
        facts.limits[0].used = 90
        #expect(item("limits", facts)?.status == .warn)
        facts.limits[0].used = 100
        #expect(item("limits", facts)?.status == .fail)
        facts.limits[0].limit = 0
        #expect(item("limits", facts)?.status == .ok)
    }

    @Test func strangersLearnNoAddressButTheirOwn() {
        let report = CheckReport(facts()).forStrangers
        #expect(Set(report.items.map(\.id)) == ["candidates", "path", "sessions", "https", "clock"])
        for text in [report.text, String(decoding: report.json, as: UTF8.self)] {
            #expect(!text.contains("203.0.113.5") && !text.contains("0.0.0.0"))
            #expect(text.contains("198.51.100.7"))
        }
    }

    @Test func peopleAndProgramsReadTheSame() {
        let report = CheckReport(
            items: [
                CheckItem(id: "a", status: .ok, what: "fine"),
                CheckItem(id: "long", status: .fail, what: "\"bad\"", advice: "mend it"),
            ], client: "192.0.2.1")
        #expect(
            String(decoding: report.json, as: UTF8.self)
                == #"{"status":"fail","client":"192.0.2.1","items":[{"id":"a","status":"ok","what":"fine","advice":null},"#
                + #"{"id":"long","status":"fail","what":"\"bad\"","advice":"mend it"}]}"#)
        #expect(
            report.text.hasSuffix(
                """
                 asked from 192.0.2.1: fail

                ok    a     fine
                fail  long  "bad"
                            → mend it

                """))
    }
}

struct RecentSourcesTests {
    @Test func aHostIsRememberedForTenMinutesWhateverItsPort() {
        var sources = RecentSources()
        let host = SocketAddress(ipv4: 1, port: 5)
        sources.note(host, at: .seconds(1))
        #expect(sources.latest(from: host.withPort(9), at: .seconds(600)) == .seconds(1))
        #expect(sources.latest(from: host, at: .seconds(602)) == nil)
        #expect(sources.latest(from: SocketAddress(ipv4: 2, port: 5), at: .seconds(2)) == nil)
    }

    @Test func whatComesFromThisMachineCountsForItsLoopbackAddresses() {
        var sources = RecentSources()
        sources.note(
            TransportTuple(local: SocketAddress(ipv4: 0x7F00_0001, port: 1), remote: SocketAddress(ipv4: 9, port: 2)),
            at: .seconds(1))
        #expect(sources.latest(from: SocketAddress(ipv6High: 0, low: 1, port: 3), at: .seconds(2)) == .seconds(1))
    }

    @Test func eachTransportIsRememberedByItself() {
        var sources = RecentSources()
        let remote = SocketAddress(ipv4: 9, port: 2)
        sources.note(
            TransportTuple(local: SocketAddress(ipv4: 8, port: 1), remote: remote, transport: .tcp), at: .seconds(1))
        #expect(sources.latest(from: remote, over: .tcp, at: .seconds(2)) == .seconds(1))
        #expect(sources.latest(from: remote, over: .udp, at: .seconds(2)) == nil)
    }

    @Test func aFloodOfAddressesStaysBounded() {
        var sources = RecentSources()
        for number in 0..<10_000 as Range<UInt32> {
            sources.note(SocketAddress(ipv4: number, port: 1), at: .milliseconds(UInt64(number)))
            #expect(sources.count <= RecentSources.maximumCount)
        }
        #expect(sources.latest(from: SocketAddress(ipv4: 9_999, port: 1), at: .seconds(11)) != nil)
    }
}
