import SDP
import TestKit
import Testing

/// SDP-E1: what is written reads back as the same model.
@Suite struct SDPRoundTripTests {
    @Test(arguments: Vectors.offers)
    func recordedOffersSurvive(_ name: String) throws {
        let first = try SessionDescription(parsing: Vectors.offer(name))
        let second = try SessionDescription(parsing: first.bytes)
        #expect(first == second)
        #expect(first.bytes == second.bytes)
    }

    @Test func linesEndInCRLFAndComeInOrder() throws {
        let text = try SessionDescription(parsing: Vectors.offer("gst1.22-webrtcbin-sendonly")).text
        #expect(text.hasPrefix("v=0\r\no=- 9168007174616634714 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"))
        #expect(text.utf8.filter { $0 == 0x0A }.count == text.utf8.filter { $0 == 0x0D }.count)
        #expect(text.hasSuffix("\r\n"))
    }

    @Test func valuesCannotStartLinesOfTheirOwn() throws {
        var session = SessionDescription()
        session.sessionName = "a\r\nm=audio 9 RTP/AVP 0"
        session.otherAttributes = [Attribute("x\ny", "\u{0}\u{7F}")]
        #expect(session.text.contains("s=a??m=audio 9 RTP/AVP 0\r\n"))
        #expect(try SessionDescription(parsing: session.bytes).media.isEmpty)
    }

    @Test func randomModelsSurvive() throws {
        var random = SplitMix64(seed: 8866)
        for _ in 0..<300 {
            let session = randomSession(&random)
            #expect(try SessionDescription(parsing: session.bytes) == session)
        }
    }

    private func randomSession(_ random: inout SplitMix64) -> SessionDescription {
        var session = SessionDescription()
        session.origin = Origin(sessionID: random.next(), sessionVersion: random.next())
        session.sessionName = word(&random)
        session.isICELite = Bool.random(using: &random)
        session.extmapAllowMixed = Bool.random(using: &random)
        session.direction = MediaDirection.allCases.randomElement(using: &random)
        session.transport = randomTransport(&random)
        session.groups = [Group(semantics: "BUNDLE", mids: words(&random))]
        session.bandwidths = [Bandwidth(type: "AS", value: random.next())]
        for _ in 0..<Int.random(in: 0...3, using: &random) { session.media.append(randomMedia(&random)) }
        return session
    }

    private func randomTransport(_ random: inout SplitMix64) -> TransportAttributes {
        var transport = TransportAttributes()
        guard Bool.random(using: &random) else { return transport }
        transport.iceUfrag = "uf+/" + word(&random)
        transport.icePassword = String(repeating: "p", count: 22) + word(&random)
        transport.iceOptions = words(&random)
        transport.fingerprints = [Fingerprint(algorithm: "sha-256", bytes: random.bytes(32))]
        transport.setup = SetupRole.allCases.randomElement(using: &random)
        return transport
    }

    private func randomMedia(_ random: inout SplitMix64) -> MediaDescription {
        var media = MediaDescription(
            media: "video", port: .random(in: 0...65535, using: &random), proto: "UDP/TLS/RTP/SAVPF")
        media.payloadTypes = Array(Set((0..<4).map { _ in UInt8.random(in: 0...127, using: &random) }))
        media.connection = ConnectionAddress(address: "2001:db8::1")
        media.mid = word(&random)
        media.direction = MediaDirection.allCases.randomElement(using: &random)
        media.transport = randomTransport(&random)
        media.hasRTCPMux = Bool.random(using: &random)
        media.isBundleOnly = Bool.random(using: &random)
        media.hasEndOfCandidates = Bool.random(using: &random)
        media.streamIdentifiers = [StreamIdentifier(stream: word(&random), track: word(&random))]
        for payloadType in media.payloadTypes {
            media.rtpMaps.append(
                RTPMap(
                    payloadType: payloadType, encodingName: word(&random),
                    clockRate: .random(in: 1...UInt32.max, using: &random),
                    channels: Bool.random(using: &random) ? 2 : nil))
            media.feedback.append(RTCPFeedback(payloadType: payloadType, .nackPLI))
            media.feedback.append(RTCPFeedback(payloadType: nil, .other(word(&random))))
            media.formatParameters.append(FormatParameterLine(payloadType: payloadType, text: "x=\(word(&random))"))
        }
        media.extensionMappings = words(&random).enumerated().map { index, uri in
            ExtensionMapping(id: UInt16(index), direction: .sendonly, uri: "urn:\(uri)", parameters: word(&random))
        }
        let rids = words(&random)
        media.restrictionIdentifiers = rids.map {
            RestrictionIdentifier(id: $0, isSend: true, payloadTypes: [96], restrictions: "max-fps=30")
        }
        media.simulcast = Simulcast(
            send: rids.map { [Simulcast.Stream(rid: $0, isPaused: Bool.random(using: &random))] },
            receive: [[Simulcast.Stream(rid: "a"), Simulcast.Stream(rid: "b")]])
        media.sourceAttributes = [SourceAttribute(ssrc: 1, name: "cname", value: word(&random))]
        media.sourceGroups = [SourceGroup(semantics: "FID", ssrcs: [1, .max])]
        media.otherAttributes = [Attribute("x-\(word(&random))", word(&random)), Attribute("flag")]
        media.candidates = [ICECandidate("1 1 udp 5 host.local 9 typ srflx raddr 0.0.0.0 rport 0 generation 0")]
            .compactMap { $0 }
        return media
    }

    private func word(_ random: inout SplitMix64) -> String {
        let letters = Array("abcdefghijklmnopqrstuvwxyzABC0123456789")
        return String(
            (0..<Int.random(in: 1...20, using: &random)).map { _ in
                letters.randomElement(using: &random) ?? "a"
            })
    }

    private func words(_ random: inout SplitMix64) -> [String] {
        (0..<Int.random(in: 1...4, using: &random)).map { _ in word(&random) }
    }
}
