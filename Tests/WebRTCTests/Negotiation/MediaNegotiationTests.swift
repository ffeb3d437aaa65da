import Codecs
import SDP
import Testing
import Wire

@testable import WebRTC

/// Directions, sections, header extensions, feedback, simulcast and sources.
@Suite struct MediaNegotiationTests {
    private func withVideo(_ lines: String..., audio: [String] = [], viewer: Bool = false) -> OfferText {
        var offer = viewer ? OfferText.viewer : OfferText()
        offer.sections[0] += audio
        offer.sections[1] += lines
        return offer
    }

    // MARK: Directions (SDP-41, WHIP-8, WHEP-10)

    @Test(arguments: [
        ("sendrecv", MediaDirection.recvonly, true), ("sendonly", .recvonly, true), ("recvonly", .inactive, false),
        ("inactive", .inactive, false),
    ])
    func publishersAreAnsweredRecvonly(_ offered: String, _ answered: MediaDirection, _ accepted: Bool) throws {
        var offer = OfferText()
        offer.sections[1] = offer.sections[1].map { $0 == "a=sendonly" ? "a=\(offered)" : $0 }
        let session = try offer.published()
        #expect(session.answer.media[1].direction == answered)
        #expect((session.answer.media[1].port != 0) == accepted)
        #expect(session.sections.count == (accepted ? 2 : 1))
    }

    @Test(arguments: [
        ("sendrecv", MediaDirection.sendonly, true), ("recvonly", .sendonly, true), ("sendonly", .inactive, false),
        ("inactive", .inactive, false),
    ])
    func viewersAreAnsweredSendonly(_ offered: String, _ answered: MediaDirection, _ accepted: Bool) throws {
        var offer = OfferText.viewer
        offer.sections[1] = offer.sections[1].map { $0 == "a=recvonly" ? "a=\(offered)" : $0 }
        let session = try offer.viewed([.vp8, .opus])
        #expect(session.answer.media[1].direction == answered)
        #expect((session.answer.media[1].port != 0) == accepted)
    }

    @Test func theSessionsDirectionIsTheDefault() throws {
        var offer = OfferText()
        offer.remove("a=sendonly")
        offer.session.append("a=sendonly")
        #expect(try offer.published().sections.count == 2)
        offer.session[1] = "a=recvonly"
        #expect(throws: NegotiationError.self) { try offer.published() }
        offer.session.removeLast()
        #expect(try offer.published().sections.count == 2)
    }

    @Test func aKindWithoutTrackIsInactiveAndTheRestPlays() throws {
        let session = try OfferText.viewer.viewed([.vp8])
        #expect(session.sections.map(\.direction) == [.inactive, .sendonly])
        #expect(session.answer.media.map(\.port) == [8189, 8189])
        #expect(session.answer.groups.first?.mids == ["0", "1"])
        #expect(session.answer.media[0].sourceAttributes.isEmpty && session.answer.media[0].streamIdentifiers.isEmpty)
        #expect(session.sections.map(\.localSSRC) == [nil, 22_222])
    }

    /// RTP-115: codecs that do not tell their layers in their payloads have them told by the dependency descriptor.
    @Test(arguments: [("AV1", true), ("H264", true), ("VP8", false), ("VP9", false)])
    func theDependencyDescriptorIsForCodecsWithoutLayersOfTheirOwn(_ codec: String, _ isTaken: Bool) throws {
        let line = "a=extmap:12 \(ExtensionURI.dependencyDescriptor)"
        let parameters = codec == "H264" ? "packetization-mode=1;profile-level-id=42e01f" : nil
        var offer = OfferText()
        offer.sections[1] = videoSection([(96, "\(codec)/90000", parameters)], direction: "sendonly", extra: [line])
        let published = try offer.published().sections[1]
        #expect(published.extensionID(ExtensionURI.dependencyDescriptor) == (isTaken ? 12 : nil))
        var viewer = OfferText.viewer
        viewer.sections[1] = videoSection([(96, "\(codec)/90000", parameters)], extra: [line])
        let track = AvailableTrack(
            codec: try #require(Codec(encodingName: codec)), parameters: FormatParameters(parameters ?? ""))
        let section = try viewer.viewed([track]).sections[1]
        #expect(section.extensionID(ExtensionURI.dependencyDescriptor) == (isTaken ? 12 : nil))
    }

    @Test func nothingToViewIsUnacceptable() {
        #expect(throws: NegotiationError.self) { try OfferText.viewer.viewed([]) }
        #expect(throws: NegotiationError.self) { try OfferText().viewed([.vp8, .opus]) }
        var audioOnly = OfferText.viewer
        audioOnly.sections.removeLast()
        let error = #expect(throws: NegotiationError.self) { try audioOnly.viewed([.vp8]) }
        #expect(error?.description.contains("the room has video") == true)
    }

    @Test func pictureThatCannotBeDecodedIsRefusedButSoundIsLeftOut() throws {
        let error = #expect(throws: NegotiationError.self) { try OfferText.viewer.viewed([.h264, .opus]) }
        #expect(error == .unmatched("no video codec in common: the room has H264, the offer has VP8"))
        let session = try OfferText.viewer.viewed([.vp8, AvailableTrack(codec: .g722)])
        #expect(session.answer.media.map(\.port) == [0, 8189])
        #expect(session.answer.groups.first?.mids == ["1"])
        #expect(session.notes.count == 1)
    }

    // MARK: How many sections (SDP-4, WHIP-7)

    @Test func publishersSendOneOfAKind() throws {
        var offer = OfferText()
        offer.session = ["a=group:BUNDLE 0 1 2"]
        offer.sections.append(videoSection([(97, "VP8/90000", nil)], direction: "sendonly", mid: "2"))
        let error = #expect(throws: NegotiationError.self) { try offer.published() }
        #expect(error?.description.contains("video twice") == true)
        offer.sections[2] = videoSection([(97, "VP8/90000", nil)], direction: "recvonly", mid: "2")
        #expect(try offer.published().answer.media.map(\.port) == [8189, 8189, 0])
    }

    @Test func viewersGetTheFirstOfAKind() throws {
        var offer = OfferText.viewer
        offer.session = ["a=group:BUNDLE 0 1 2 3"]
        offer.sections.append(videoSection([(97, "VP8/90000", nil)], mid: "2"))
        offer.sections.append(["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:3"])
        let session = try offer.viewed([.vp8, .opus])
        #expect(session.answer.media.map(\.media) == ["audio", "video", "video", "application"])
        #expect(session.answer.media.map(\.port) == [8189, 8189, 0, 0])
        #expect(session.answer.media[2].payloadTypes == [97])
        #expect(session.answer.groups.first?.mids == ["0", "1"])
    }

    @Test func nothingToPublishIsUnacceptable() {
        var offer = OfferText()
        offer.sections = [["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:0"]]
        let error = #expect(throws: NegotiationError.self) { try offer.published() }
        #expect(error?.description.contains("neither audio nor video") == true)
    }

    // MARK: Header extensions (SDP-24 to SDP-26, SDP-39)

    private static let offered = [
        "a=extmap:1 \(ExtensionURI.mid)", "a=extmap:2 \(ExtensionURI.rid)",
        "a=extmap:3 \(ExtensionURI.transportWideCC)",
        "a=extmap:4 \(ExtensionURI.absSendTime)", "a=extmap:5 \(ExtensionURI.videoOrientation)",
        "a=extmap:6 \(ExtensionURI.playoutDelay)", "a=extmap:7 \(ExtensionURI.colorSpace)",
        "a=extmap:8 urn:ietf:params:rtp-hdrext:toffset",
        "a=extmap:9 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        "a=extmap:10 http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
    ]

    @Test func publishersGetTheirRowsOfTheTable() throws {
        var offer = withVideo("a=rtcp-fb:96 transport-cc")
        offer.sections[1] += Self.offered
        #expect(try offer.published().sections[1].extensions.map(\.id) == [1, 2, 3, 5, 6, 7])
    }

    @Test func absSendTimeStandsInForTransportCC() throws {
        var offer = withVideo("a=rtcp-fb:96 goog-remb")
        offer.sections[1] += Self.offered
        let video = try offer.published().sections[1]
        #expect(video.extensions.map(\.id) == [1, 2, 4, 5, 6, 7])
        #expect(video.feedback == .remb)
    }

    @Test func viewersGetTheirRowsOfTheTable() throws {
        var offer = withVideo(
            "a=rtcp-fb:96 transport-cc", "a=rtcp-fb:96 goog-remb", "a=rtcp-fb:96 nack pli", viewer: true)
        offer.sections[1] += Self.offered
        let video = try offer.viewed([.vp8, .opus]).sections[1]
        #expect(video.extensions.map(\.id) == [1, 5, 6, 7])
        #expect(video.feedback == .nackPLI)
    }

    @Test func extensionDirectionsAreHonouredAndMirrored() throws {
        let lines = [
            "a=extmap:1/sendonly \(ExtensionURI.mid)", "a=extmap:2/recvonly \(ExtensionURI.playoutDelay)",
            "a=extmap:3/inactive \(ExtensionURI.colorSpace)", "a=extmap:5/sendrecv \(ExtensionURI.videoOrientation)",
        ]
        var publisher = OfferText()
        publisher.sections[1] += lines
        #expect(try publisher.published().sections[1].extensions.map(\.direction) == [.recvonly, .sendrecv])
        var viewer = OfferText.viewer
        viewer.sections[1] += lines
        #expect(try viewer.viewed([.vp8]).sections[1].extensions.map(\.direction) == [.sendonly, .sendrecv])
    }

    @Test(arguments: [
        (0, false, false), (1, false, true), (14, false, true), (15, true, false), (16, false, false),
        (16, true, true), (255, true, true), (256, true, false), (4096, true, false), (65535, true, false),
    ])
    func idsFollowTheHeaderForms(_ id: Int, _ mixed: Bool, _ accepted: Bool) throws {
        var offer = withVideo("a=extmap:\(id) \(ExtensionURI.videoOrientation)")
        if mixed { offer.session.append("a=extmap-allow-mixed") }
        let session = try offer.published()
        #expect(session.sections[1].extensions.map(\.id) == (accepted ? [UInt16(id)] : []))
        #expect(session.answer.extmapAllowMixed == mixed)
        #expect(session.sections[1].extmapAllowMixed == mixed)
    }

    @Test func theFirstOfADoubledIDOrURIWins() throws {
        let offer = withVideo(
            "a=extmap:3 \(ExtensionURI.mid)", "a=extmap:3 \(ExtensionURI.colorSpace)", "a=extmap:4 \(ExtensionURI.mid)")
        #expect(try offer.published().sections[1].extensions.map(\.uri) == [ExtensionURI.mid])
    }

    @Test func sessionLevelExtensionsCount() throws {
        var offer = OfferText()
        offer.session.append("a=extmap:7 \(ExtensionURI.mid)")
        #expect(try offer.published().sections.map { $0.extensionID(ExtensionURI.mid) } == [7, 7])
    }

    @Test func allowMixedIsEchoedWhereItStood() throws {
        let session = try withVideo("a=extmap-allow-mixed").published()
        #expect(session.answer.media.map(\.extmapAllowMixed) == [false, true])
        #expect(!session.answer.extmapAllowMixed)
    }

    // MARK: Feedback (SDP-38, SDP-39)

    @Test(
        arguments: [
            (
                ["a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 ccm fir"],
                FeedbackMessages([.nack, .nackPLI, .ccmFIR])
            ),
            (["a=rtcp-fb:* nack pli"], [.nackPLI]),
            (["a=rtcp-fb:97 nack pli"], []),
            (["a=rtcp-fb:96 transport-cc"], []),
            (["a=extmap:3 \(ExtensionURI.transportWideCC)"], []),
            (
                ["a=rtcp-fb:96 transport-cc", "a=extmap:3 \(ExtensionURI.transportWideCC)", "a=rtcp-fb:96 goog-remb"],
                [.transportCC]
            ),
            (["a=rtcp-fb:96 goog-remb", "a=rtcp-fb:96 transport-cc"], [.remb]),
            (["a=rtcp-fb:96 rrtr", "a=rtcp-fb:96 ack rpsi"], []),
        ] as [([String], FeedbackMessages)])
    func feedbackIsTheIntersection(_ lines: [String], _ expected: FeedbackMessages) throws {
        var offer = OfferText()
        offer.sections[1] += lines
        let session = try offer.published()
        #expect(session.sections[1].feedback == expected)
        #expect(session.answer.media[1].extensionMappings.isEmpty == !expected.contains(.transportCC))
    }

    @Test func whatTheTableGainsIsAnswered() throws {
        var capabilities = NegotiationCapabilities.current
        capabilities.feedback.append(.init(.receiverReferenceTime, [.video]))
        let offer = try withVideo("a=rtcp-fb:96 rrtr").parsed()
        let session = try offer.negotiate(.publish, with: .example, capabilities: capabilities)
        #expect(session.sections[1].feedback == .receiverReferenceTime)
        #expect(session.answerText.contains("a=rtcp-fb:96 rrtr\r\n"))
    }

    // MARK: Simulcast (SDP-27, SDP-28, WHIP-Q6)

    private func simulcast(_ attribute: String, rids: [String], rid: Bool = true) -> OfferText {
        var offer = OfferText()
        if rid { offer.sections[1].append("a=extmap:2 \(ExtensionURI.rid)") }
        offer.sections[1] += rids.map { "a=rid:\($0)" } + ["a=simulcast:\(attribute)"]
        return offer
    }

    @Test(arguments: [
        ("send h;m;l", ["h send", "m send", "l send"], "recv h;m;l"),
        ("send 0;1;2", ["0 send", "1 send", "2 send"], "recv 0;1;2"),
        ("send 0", ["0 send"], "recv 0"),
        ("send h;~m;l", ["l send", "m send", "h send"], "recv h;m;l"),
        ("send h,x;y,m;l", ["h send", "m send", "l send"], "recv h;m;l"),
        ("send h;m;l", ["h send pt=96", "m send pt=97", "l send pt=97,96;max-width=1280"], "recv h;l"),
        ("send h;h;l", ["h send", "l send"], "recv h;l"),
        ("send h;m", ["h recv", "m send"], "recv m"),
        ("recv a send h", ["h send", "a recv"], "recv h"),
    ])
    func acceptedLayersAreEchoedInOrder(_ offered: String, _ rids: [String], _ answered: String) throws {
        let session = try simulcast(offered, rids: rids).published()
        #expect(session.answerText.contains("a=simulcast:\(answered)\r\n"))
        let layers = session.sections[1].simulcastLayers
        #expect(
            session.answer.media[1].restrictionIdentifiers
                == layers.map { RestrictionIdentifier(id: $0.rid, isSend: false) })
    }

    @Test func pausedLayersAreKnown() throws {
        let session = try simulcast("send ~h;l", rids: ["h send", "l send"]).published()
        #expect(session.sections[1].simulcastLayers.map(\.isPaused) == [true, false])
    }

    @Test func thereIsNoSimulcastWithoutAWayToTellLayersApart() throws {
        let session = try simulcast("send h;l", rids: ["h send", "l send"], rid: false).published()
        #expect(session.sections[1].simulcastLayers.isEmpty)
        #expect(!session.answerText.contains("simulcast") && !session.answerText.contains("a=rid"))
    }

    @Test func viewersGetNoSimulcast() throws {
        var offer = simulcast("send h;l", rids: ["h send", "l send"])
        offer.replace("a=sendonly", with: "a=sendrecv")
        #expect(try offer.viewed([.vp8]).sections[1].simulcastLayers.isEmpty)
    }

    @Test func theOlderFormNamesLayersBySSRC() throws {
        let offer = withVideo(
            "a=ssrc-group:SIM 1 2 3", "a=ssrc-group:FID 1 11", "a=ssrc-group:FID 2 12", "a=ssrc-group:FEC-FR 3 13",
            "a=ssrc:1 cname:c", "a=ssrc:2 cname:c", "a=ssrc:3 cname:c", "a=ssrc:11 cname:c", "a=ssrc:13 cname:c")
        let video = try offer.published().sections[1]
        #expect(video.legacySimulcastSSRCs == [1, 2, 3])
        #expect(video.remoteSSRCs == [1, 2, 3])
    }

    // MARK: Sources (SDP-29)

    @Test(
        arguments: [
            (["a=msid:stream track"], StreamIdentifier(stream: "stream", track: "track")),
            (["a=msid:- track"], StreamIdentifier(stream: "-", track: "track")),
            (["a=msid:stream"], StreamIdentifier(stream: "stream", track: nil)),
            (["a=ssrc:5 msid:s t", "a=ssrc:5 cname:c"], StreamIdentifier(stream: "s", track: "t")),
            ([], nil),
        ] as [([String], StreamIdentifier?)])
    func streamNamesAreReadFromEitherForm(_ lines: [String], _ expected: StreamIdentifier?) throws {
        var offer = OfferText()
        offer.sections[1] += lines
        #expect(try offer.published().sections[1].remoteStream == expected)
    }

    @Test func viewersSeeOneStream() throws {
        let session = try OfferText.viewer.viewed([.vp8, .opus])
        #expect(
            session.answer.media.flatMap(\.streamIdentifiers) == [
                StreamIdentifier(stream: "cam1", track: "audio"), StreamIdentifier(stream: "cam1", track: "video"),
            ])
        #expect(session.sections.map(\.localSSRC) == [11_111, 22_222])
    }

    // MARK: Bandwidth (SDP-40)

    @Test func bandwidthLinesAreCapsAndRequests() throws {
        var offer = OfferText.viewer
        offer.sections[1].insert(contentsOf: ["b=AS:500", "b=TIAS:400000", "b=CT:1"], at: 1)
        #expect(try offer.viewed([.vp8, .opus]).sections.map(\.maximumBitrate) == [nil, 400_000])
        let session = try OfferText().published { $0.maximumVideoBitrate = 2_500_000 }
        #expect(session.answerText.contains("b=AS:2500\r\nb=TIAS:2500000\r\n"))
        #expect(session.answer.media[0].bandwidths.isEmpty)
    }
}
