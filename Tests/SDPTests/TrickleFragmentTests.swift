import SDP
import Testing
import Wire

@Suite struct TrickleFragmentTests {
    static let sessionLevel = """
        a=ice-ufrag:EsAw
        a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
        m=audio 9 RTP/AVP 0
        a=mid:0
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1
        a=candidate:3471623853 1 udp 2122194687 198.51.100.1 61765 typ host generation 0 ufrag EsAw network-id 2
        a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0
        a=end-of-candidates

        """

    static let mediaLevel = """
        a=group:BUNDLE 0 1
        m=audio 9 UDP/TLS/RTP/SAVPF 111
        a=mid:0
        a=ice-ufrag:EsAw
        a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
        a=candidate:1 1 UDP 1 192.0.2.1 5000 typ host
        a=x-unknown:yes
        m=video 9 UDP/TLS/RTP/SAVPF 96
        a=mid:1
        a=candidate:1 1 UDP 1 192.0.2.1 5001 typ host
        m=video 9 UDP/TLS/RTP/SAVPF 96
        a=mid:7
        a=candidate:1 1 UDP 1 192.0.2.1 5002 typ host

        """

    private func fragment(_ text: String) throws -> TrickleFragment { try TrickleFragment(parsing: Array(text.utf8)) }

    /// WHIP-22.
    @Test(arguments: [sessionLevel, mediaLevel, sessionLevel.replacing("\n", with: "\r\n")])
    func bothShapesGiveCredentialsAndCandidates(_ text: String) throws {
        let fragment = try fragment(text)
        #expect(fragment.credentials?.ufrag == "EsAw")
        #expect(fragment.credentials?.password == "P2uYro0UCOQ4zxjKXaWCBui1")
        #expect(!fragment.candidates(forMids: ["0"]).isEmpty)
    }

    @Test func candidatesOfUnknownSectionsAreLeftOut() throws {
        let candidates = try fragment(Self.mediaLevel).candidates(forMids: ["0", "1"])
        #expect(candidates.map(\.port) == [5000, 5001])
    }

    @Test func candidatesWithoutAnySectionCount() throws {
        let fragment = try fragment("a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n")
        #expect(fragment.candidates(forMids: ["0"]).count == 1)
        #expect(fragment.hasEndOfCandidates)
        #expect(fragment.credentials == nil)
    }

    /// WHIP-23: what comes after the end still counts.
    @Test func endOfCandidatesIsInformationOnly() throws {
        let fragment = try fragment(
            "m=audio 9 RTP/AVP 0\na=end-of-candidates\na=candidate:1 1 udp 1 192.0.2.1 5 typ host")
        #expect(fragment.candidates(forMids: []).count == 1)
    }

    @Test func unreadableCandidatesAreLeftOut() throws {
        let fragment = try fragment("a=mid:0\na=candidate:\na=candidate:1 1 udp 1 x.local 5 typ host\nhello\na=foo\n")
        #expect(fragment.candidates(forMids: ["0"]).map(\.address) == ["x.local"])
    }

    /// WHIP-31.
    @Test(arguments: [
        "a=ice-ufrag:abcd\n", "a=ice-pwd:0123456789012345678901\n", "m=audio 9 RTP/AVP 0\na=ice-ufrag:abcd\n",
        "a=ice-ufrag:abcd\nm=audio 9 RTP/AVP 0\na=ice-pwd:0123456789012345678901\n", "a=ice-ufrag:ab\n",
        "a=ice-pwd:short\n", "a=mid:\n", "a=x:\u{1}\n", "m=\r\na=candidate:\r\n", "\u{0}\u{0}\u{0}",
    ])
    func halfCredentialsAndBrokenLinesAreRefused(_ text: String) {
        #expect(throws: SDPError.self) { try fragment(text) }
    }

    @Test func atMost32CandidatesAnd16KiB() throws {
        let line = "a=candidate:1 1 udp 1 192.0.2.1 5000 typ host\n"
        #expect(try fragment(String(repeating: line, count: 32)).candidates(forMids: []).count == 32)
        #expect(throws: SDPError.self) { try fragment(String(repeating: line, count: 33)) }
        let filler = String(repeating: "x=" + String(repeating: "y", count: 1021) + "\n", count: 16)
        #expect(try fragment(filler).sections.isEmpty)
        let error = #expect(throws: SDPError.self) { try fragment(filler + "\n") }
        #expect(error?.kind == .tooLarge)
    }

    @Test func aRestartIsWrittenAsClientsReadIt() throws {
        var restart = TrickleFragment()
        restart.isICELite = true
        restart.iceOptions = ["trickle"]
        restart.groups = [Group(semantics: "BUNDLE", mids: ["0", "1"])]
        var section = TrickleFragment.Section(mediaLine: "audio 9 UDP/TLS/RTP/SAVPF 111", mid: "0")
        section.iceUfrag = "newUfrag"
        section.icePassword = "newPasswordOf22Letters"
        section.candidates = ICECandidate.hostCandidates(for: [.init(ipv4: 0xC000_0201, port: 8189)])
        section.hasEndOfCandidates = true
        restart.sections = [section]
        #expect(
            restart.text == """
                a=ice-lite\r
                a=ice-options:trickle\r
                a=group:BUNDLE 0 1\r
                m=audio 9 UDP/TLS/RTP/SAVPF 111\r
                a=mid:0\r
                a=ice-ufrag:newUfrag\r
                a=ice-pwd:newPasswordOf22Letters\r
                a=candidate:1 1 udp 2130706431 192.0.2.1 8189 typ host\r
                a=end-of-candidates\r

                """)
        #expect(try fragment(restart.text) == restart)
    }
}
