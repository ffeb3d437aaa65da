import Codecs
import SDP
import Testing
import Wire

@testable import WebRTC

/// ICE, DTLS, BUNDLE: what the two sides connect with.
@Suite struct TransportNegotiationTests {
    // MARK: DTLS role (SDP-30, SDP-31)

    @Test(
        arguments: [
            ("actpass", DTLSRole.server, DTLSRole.server, "passive"), ("actpass", .client, .client, "active"),
            ("active", .client, .server, "passive"), ("passive", .server, .client, "active"),
            (nil, .client, .server, "passive"),
        ] as [(String?, DTLSRole, DTLSRole, String)])
    func setupIsAnswered(_ setup: String?, _ preferred: DTLSRole, _ role: DTLSRole, _ answer: String) throws {
        var offer = OfferText()
        offer.remove("a=setup")
        if let setup { offer.transport.append("a=setup:\(setup)") }
        let session = try offer.published { $0.preferredDTLSRole = preferred }
        #expect(session.localDTLSRole == role)
        #expect(session.answer.media.allSatisfy { $0.transport.setup?.rawValue == answer })
    }

    // MARK: What has to be there (SDP-9, SDP-33, SDP-36)

    @Test(arguments: ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=rtcp-mux"])
    func anOfferWithoutItIsUnacceptable(_ line: String) throws {
        var offer = OfferText()
        offer.remove(line)
        let error = #expect(throws: NegotiationError.self) { try offer.published() }
        guard case .unacceptable(let detail) = error else { throw try #require(error) }
        #expect(detail.contains(line.replacing("a=ice-pwd", with: "ICE")))
    }

    @Test func anOfferOfALiteAgentIsUnacceptable() {
        var offer = OfferText()
        offer.session.append("a=ice-lite")
        #expect(throws: NegotiationError.self) { try offer.published() }
    }

    @Test func holdconnIsUnacceptable() {
        var offer = OfferText()
        offer.remove("a=setup")
        offer.session.append("a=setup:holdconn")
        let error = #expect(throws: NegotiationError.self) { try offer.published() }
        #expect(error?.description.contains("holdconn") == true)
    }

    /// WHIP-10: none of these is needed.
    @Test func candidatesAndOptionsAreNotNeeded() throws {
        let session = try OfferText().published()
        #expect(session.remoteCandidates.isEmpty)
        #expect(session.answer.transport.iceOptions.isEmpty)
        var trickling = OfferText()
        trickling.transport += ["a=ice-options:trickle", "a=candidate:1 1 udp 1 x.local 5000 typ host"]
        let answered = try trickling.published()
        #expect(answered.remoteCandidates.map(\.address) == ["x.local"])
        #expect(answered.answer.transport.iceOptions == ["trickle"])
    }

    // MARK: Where it stands (SDP-34)

    @Test func sessionLevelMediaLevelAndMixedLayoutsWork() throws {
        let media = OfferText()
        var session = OfferText()
        session.session += session.transport
        session.transport = []
        var mixed = OfferText()
        mixed.session += [
            "a=fingerprint:sha-256 " + Array(repeating: "BB", count: 32).joined(separator: ":"), "a=setup:passive",
        ]
        for offer in [media, session, mixed] {
            let negotiated = try offer.published()
            #expect(negotiated.remoteICEUfrag == "abcd")
            #expect(negotiated.remoteFingerprints.first?.bytes.first == 0xAA)
            #expect(negotiated.localDTLSRole == .server)
        }
    }

    @Test func theTransportIsThatOfTheFirstAcceptedSection() throws {
        var offer = OfferText.viewer
        offer.sections[0] = offer.sections[0].map {
            $0 == "a=rtpmap:111 opus/48000/2" ? "a=rtpmap:111 L16/48000/2" : $0
        }
        offer.sections[0].append("a=ice-ufrag:first")
        offer.sections[1].append("a=ice-ufrag:second")
        offer.transport.removeFirst()
        #expect(try offer.viewed([.vp8, .opus]).remoteICEUfrag == "second")
        #expect(try OfferText.viewer.viewed([.vp8, .opus]).answer.groups.first?.mids == ["0", "1"])
    }

    // MARK: Fingerprints (SDP-35)

    private func fingerprint(_ algorithm: String, _ count: Int, _ byte: String = "Ab") -> String {
        "a=fingerprint:\(algorithm) " + Array(repeating: byte, count: count).joined(separator: ":")
    }

    @Test(arguments: [("sha-256", 32), ("SHA-256", 32), ("sha-384", 48), ("sha-512", 64)])
    func knownFingerprintsAreTaken(_ algorithm: String, _ size: Int) throws {
        var offer = OfferText()
        offer.remove("a=fingerprint")
        offer.transport.append(fingerprint(algorithm, size))
        let session = try offer.published()
        #expect(
            session.remoteFingerprints == [
                Fingerprint(algorithm: algorithm.lowercased(), bytes: Array(repeating: 0xAB, count: size))
            ])
        #expect(session.answer.media[0].transport.fingerprints.map(\.algorithm) == ["sha-256"])
    }

    @Test func theStrongestOfSeveralCounts() throws {
        var offer = OfferText()
        offer.transport += [
            fingerprint("sha-1", 20), fingerprint("sha-512", 64, "01"), fingerprint("sha-512", 64, "02"),
            fingerprint("md99", 3),
        ]
        #expect(try offer.published().remoteFingerprints.map { $0.bytes[0] } == [1, 2])
    }

    @Test(arguments: [("sha-1", 20), ("sha3-256", 32)])
    func otherFingerprintsAreUnacceptable(_ algorithm: String, _ size: Int) {
        var offer = OfferText()
        offer.remove("a=fingerprint")
        offer.transport.append(fingerprint(algorithm, size))
        #expect(throws: NegotiationError.self) { try offer.published() }
    }

    // MARK: BUNDLE (SDP-5 to SDP-8, SDP-11, SDP-E2)

    @Test func onlyAcceptedSectionsAreBundled() throws {
        var offer = OfferText()
        offer.sections.insert(["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:d"], at: 0)
        offer.session = ["a=group:BUNDLE d 0 1"]
        let session = try offer.published()
        #expect(session.answer.groups == [Group(semantics: "BUNDLE", mids: ["0", "1"])])
        #expect(session.answer.media.map(\.port) == [0, 8189, 8189])
        #expect(session.answer.media.map(\.candidates.count) == [0, 2, 0])
        #expect(session.answer.media[0].formats == ["webrtc-datachannel"])
        #expect(session.answer.media[0].mid == "d")
    }

    @Test func theBundleOrderDecidesWhichSectionCarriesCandidates() throws {
        var offer = OfferText()
        offer.session = ["a=group:BUNDLE 1 0"]
        let session = try offer.published()
        #expect(session.answer.groups.first?.mids == ["1", "0"])
        #expect(session.answer.media.map(\.hasEndOfCandidates) == [false, true])
    }

    @Test func port0IsOfferedOnlyWhenBundled() throws {
        var offer = OfferText()
        offer.replace("m=video 9 UDP/TLS/RTP/SAVPF 96", with: "m=video 0 UDP/TLS/RTP/SAVPF 96")
        #expect(try offer.published().sections.map(\.kind) == [.audio])
        offer.sections[1].append("a=bundle-only")
        #expect(try offer.published().sections.map(\.kind) == [.audio, .video])
        offer.session = []
        #expect(try offer.published().sections.map(\.kind) == [.audio])
    }

    @Test(arguments: ["a=group:BUNDLE 0", "a=group:BUNDLE 0 1", "a=group:BUNDLE x 0 1", ""])
    func oneSectionNeedsNoProperGroup(_ group: String) throws {
        var offer = OfferText()
        offer.session = [group]
        offer.sections = [OfferText.audio]
        let session = try offer.published()
        #expect(session.answer.groups == (group.isEmpty ? [] : [Group(semantics: "BUNDLE", mids: ["0"])]))
    }

    @Test func publishersHaveToBundle() throws {
        var offer = OfferText()
        offer.session = []
        let error = #expect(throws: NegotiationError.self) { try offer.published() }
        #expect(error?.description.contains("max-bundle") == true)
        offer.session = ["a=group:BUNDLE 0", "a=group:BUNDLE 1"]
        #expect(throws: NegotiationError.self) { try offer.published() }
    }

    @Test func viewersWithoutBundleGetThePicture() throws {
        var offer = OfferText.viewer
        offer.session = []
        let session = try offer.viewed([.vp8, .opus])
        #expect(session.sections.map(\.kind) == [.video])
        #expect(session.answer.media.map(\.port) == [0, 8189])
        #expect(session.answer.groups.isEmpty)
        #expect(session.notes.first?.contains("max-bundle") == true)
    }

    @Test func midsAreCopiedOrCounted() throws {
        var offer = OfferText()
        offer.session = ["a=group:BUNDLE audio a-very-long-mid-value"]
        offer.replace("a=mid:0", with: "a=mid:audio")
        offer.replace("a=mid:1", with: "a=mid:a-very-long-mid-value")
        offer.transport.append("a=extmap:4 \(ExtensionURI.mid)")
        let session = try offer.published()
        #expect(session.answer.media.map(\.mid) == ["audio", "a-very-long-mid-value"])
        // A one-byte extension element has no room for the long one.
        #expect(session.sections.map { $0.extensionID(ExtensionURI.mid) } == [4, nil])

        var unnamed = OfferText()
        unnamed.session = []
        unnamed.sections = [OfferText.audio]
        unnamed.remove("a=mid:0")
        #expect(try unnamed.published().sections.map(\.mid) == ["0"])
        #expect(try unnamed.published().answer.media.map(\.mid) == [nil])
    }

    @Test func contradictionsAreMalformed() throws {
        var doublets = OfferText()
        doublets.replace("a=mid:1", with: "a=mid:0")
        var twoGroups = OfferText()
        twoGroups.session.append("a=group:BUNDLE 1")
        var empty = OfferText()
        empty.sections = []
        var twoMeanings = OfferText()
        twoMeanings.sections[0].append("a=extmap:3 urn:a")
        twoMeanings.sections[1].append("a=extmap:3 urn:b")
        for offer in [doublets, twoGroups, empty, twoMeanings] {
            let error = #expect(throws: NegotiationError.self) { try offer.published() }
            guard case .malformed = error else { throw try #require(error) }
        }
    }

    // MARK: The answer's own lines (SDP-32, SDP-37, SDP-44, WHIP-9)

    @Test func theAnswerNamesTheServer() throws {
        let session = try OfferText().published { $0.sessionVersion = 3 }
        let answer = session.answer
        #expect(answer.isICELite)
        #expect(answer.origin.sessionID == "7000000001" && answer.origin.sessionVersion == "3")
        #expect(answer.media[0].connection?.address == "192.0.2.1")
        #expect(answer.media[0].candidates.count == 2 && answer.media[0].hasEndOfCandidates)
        #expect(answer.media.allSatisfy { $0.transport.iceUfrag == "martletUfrag" && $0.hasRTCPMux })
        #expect(try SessionDescription(parsing: answer.bytes) == answer)
        let bare = try OfferText().published { $0.candidates = [] }
        #expect(bare.answer.media[0].port == 9 && bare.answer.media[0].connection?.address == "0.0.0.0")
    }

    @Test func rtcpAttributesAreEchoedOnlyWhenOffered() throws {
        let plain = try OfferText().published().answer.media
        #expect(plain.allSatisfy { !$0.hasReducedSizeRTCP && !$0.hasRTCPMuxOnly })
        var offer = OfferText()
        offer.transport += ["a=rtcp-rsize", "a=rtcp-mux-only"]
        let session = try offer.published()
        #expect(session.answer.media.allSatisfy { $0.hasReducedSizeRTCP && $0.hasRTCPMuxOnly })
        #expect(session.sections.allSatisfy { $0.reducedSizeRTCP })
    }

    /// SDP-42.
    @Test(arguments: ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "TCP/DTLS/RTP/SAVPF"])
    func theProtocolIsRepeated(_ proto: String) throws {
        var offer = OfferText()
        offer.sections = offer.sections.map { $0.map { $0.replacing("UDP/TLS/RTP/SAVPF", with: proto) } }
        #expect(try offer.published().answer.media.map(\.proto) == [proto, proto])
    }

    @Test func unencryptedMediaIsUnacceptable() {
        var offer = OfferText()
        offer.sections = offer.sections.map { $0.map { $0.replacing("UDP/TLS/RTP/SAVPF", with: "RTP/AVP") } }
        #expect(throws: NegotiationError.self) { try offer.published() }
    }
}
