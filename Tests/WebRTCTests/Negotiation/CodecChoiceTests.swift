import Codecs
import SDP
import Testing
import Wire

@testable import WebRTC

@Suite struct CodecChoiceTests {
    private func publish(
        _ formats: [(Int, String, String?)], preferences: [Codec]? = nil
    ) throws -> NegotiatedCodec? {
        var offer = OfferText()
        offer.sections = [videoSection(formats, direction: "sendonly", mid: "0")]
        return try offer.published { $0.codecPreferences = preferences }.sections.first?.codec
    }

    private func view(_ track: AvailableTrack, _ formats: [(Int, String, String?)]) throws -> NegotiatedCodec? {
        var offer = OfferText.viewer
        offer.sections = [videoSection(formats, mid: "0")]
        return try offer.viewed([track]).sections.first?.codec
    }

    private func audio(_ format: String, _ parameters: String? = nil, direction: String = "sendonly") -> OfferText {
        var offer = OfferText()
        offer.sections = [["m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=rtcp-mux", "a=\(direction)"]]
        offer.sections[0].append("a=rtpmap:111 \(format)")
        if let parameters { offer.sections[0].append("a=fmtp:111 \(parameters)") }
        return offer
    }

    // MARK: Publishers (SDP-12, SDP-13, SDP-Q1)

    @Test func thePublishersOrderDecides() throws {
        let formats: [(Int, String, String?)] = [
            (102, "H264/90000", "packetization-mode=1"), (96, "VP8/90000", nil),
        ]
        #expect(try publish(formats)?.payloadType == 102)
        #expect(try publish(formats.reversed())?.payloadType == 96)
    }

    @Test func theServersOrderDecidesWhereItHasOne() throws {
        let formats: [(Int, String, String?)] = [
            (96, "VP8/90000", nil), (98, "VP9/90000", nil), (45, "AV1/90000", nil),
        ]
        #expect(try publish(formats, preferences: [.h264, .av1, .vp8])?.payloadType == 45)
        #expect(
            throws: NegotiationError.unacceptable(
                "no video codec in common: the offer has VP8, VP9, AV1; this server takes H264, H265")
        ) { try publish(formats, preferences: [.opus, .h264, .h265]) }
    }

    @Test func fragmentationIsPreferredToSingleNALUnits() throws {
        let formats: [(Int, String, String?)] = [
            (104, "H264/90000", "packetization-mode=0;profile-level-id=42001f"),
            (102, "H264/90000", "packetization-mode=1;profile-level-id=42001f;level-asymmetry-allowed=1"),
        ]
        let codec = try publish(formats)
        #expect(codec?.payloadType == 102)
        #expect(codec?.localParameters.text == "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f")
        #expect(try publish([formats[0]])?.payloadType == 104)
    }

    /// WHIP-Q3: whatever profile is announced, it is taken.
    @Test(arguments: ["64001f", "42e01f", "f4001f", "6e001f"])
    func noH264ProfileIsRefusedFromPublishers(_ id: String) throws {
        #expect(try publish([(96, "H264/90000", "packetization-mode=1;profile-level-id=\(id)")])?.payloadType == 96)
    }

    @Test func repairFormatsAreNeverAnswered() throws {
        let offer = try WebRTCOffer(SessionDescription(parsing: Vectors.offer("chromium156-sendonly")))
        let text = try offer.negotiate(.publish, with: .example).answerText
        for word in ["rtx", "red", "ulpfec", "apt=", "rrtr", "telephone"] {
            #expect(!text.contains(word), "\(word)")
        }
    }

    @Test func anOfferOfUnknownCodecsIsRefusedWithTheirNames() throws {
        #expect(
            throws: NegotiationError.unacceptable(
                "no video codec in common: the offer has theora, payload type 99; "
                    + "this server takes H264, H265, VP8, VP9, AV1")
        ) {
            var offer = OfferText()
            offer.sections = [
                [
                    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 99", "a=mid:0", "a=rtcp-mux", "a=rtpmap:96 theora/90000",
                    "a=rtpmap:97 rtx/90000",
                ]
            ]
            _ = try offer.published()
        }
    }

    // MARK: Names, clock rates and channels (SDP-20, SDP-21)

    @Test(arguments: [
        ("opus/48000/2", Codec.opus), ("OPUS/48000/2", .opus), ("opus/48000", .opus), ("PCMU/8000", .pcmu),
        ("pcmu/8000/1", .pcmu), ("PCMA/8000", .pcma), ("G722/8000/1", .g722), ("g722/8000", .g722),
    ])
    func audioCodecsCompareWithoutCase(_ format: String, _ codec: Codec) throws {
        let session = try audio(format).published()
        #expect(session.sections.first?.codec?.codec == codec)
        #expect(session.answerText.contains("a=rtpmap:111 \(codec.rawValue)/\(codec.clockRate)"))
    }

    @Test(arguments: ["opus/48000/1", "opus/44100/2", "PCMU/16000", "PCMU/8000/2", "G722/16000", "L16/44100/2"])
    func otherRatesAndChannelsAreOtherCodecs(_ format: String) {
        #expect(throws: NegotiationError.self) { try audio(format).published() }
    }

    @Test func staticPayloadTypesNeedNoMapping() throws {
        var offer = OfferText()
        offer.sections = [["m=audio 9 UDP/TLS/RTP/SAVPF 8 0", "a=mid:0", "a=rtcp-mux", "a=sendonly"]]
        #expect(try offer.published().sections.first?.codec?.codec == .pcma)
    }

    // MARK: Opus (SDP-22)

    @Test(arguments: [
        ("minptime=10;useinbandfec=1", "minptime=10;useinbandfec=1"),
        ("sprop-stereo=1;useinbandfec=1", "useinbandfec=1;stereo=1"),
        (
            "stereo=1;maxaveragebitrate=510000;usedtx=0;cbr=1;maxplaybackrate=48000",
            "maxplaybackrate=48000;maxaveragebitrate=510000;usedtx=0;cbr=1;stereo=1"
        ),
        ("sprop-maxcapturerate=48000;sprop-stereo=0", ""),
        ("stereo=0", "stereo=0"),
        ("minptime=1 0;useinbandfec=<b>", ""),
    ])
    func stereoIsWelcomeFromPublishers(_ offered: String, _ answered: String) throws {
        let session = try audio("opus/48000/2", offered).published()
        #expect(session.sections.first?.codec?.localParameters.text == answered)
    }

    @Test func viewersHearStereoWhenTheSourceIs() throws {
        let offer = audio("opus/48000/2", "minptime=10;stereo=0", direction: "recvonly")
        let stereo = AvailableTrack(codec: .opus, parameters: FormatParameters("sprop-stereo=1"))
        #expect(
            try offer.viewed([stereo]).sections.first?.codec?.localParameters.text
                == "minptime=10;stereo=1;sprop-stereo=1")
        #expect(
            try offer.viewed([AvailableTrack(codec: .opus)]).sections.first?.codec?.localParameters.text
                == "minptime=10")
    }

    // MARK: Profiles of the others (SDP-18, SDP-19)

    @Test func vp9AndAV1MatchByProfile() throws {
        let vp9: [(Int, String, String?)] = [(100, "VP9/90000", "profile-id=2"), (98, "VP9/90000", nil)]
        #expect(try view(AvailableTrack(codec: .vp9), vp9)?.payloadType == 98)
        let profile2 = AvailableTrack(codec: .vp9, parameters: FormatParameters("profile-id=2"))
        #expect(try view(profile2, vp9)?.payloadType == 100)
        #expect(throws: NegotiationError.self) { try view(profile2, [vp9[1]]) }

        let av1: [(Int, String, String?)] = [
            (47, "AV1/90000", "level-idx=5;profile=1;tier=0"), (45, "AV1/90000", "level-idx=5;profile=0;tier=0"),
        ]
        let stream = AvailableTrack(codec: .av1, parameters: FormatParameters("profile=0;level-idx=31;tier=1"))
        #expect(try view(stream, av1)?.payloadType == 45)
        #expect(throws: NegotiationError.self) { try view(stream, [av1[0]]) }
    }

    @Test func h265MatchesByProfileAndTierAndTakesTheLowerLevel() throws {
        let formats: [(Int, String, String?)] = [
            (50, "H265/90000", "profile-id=2;tier-flag=0;level-id=186;tx-mode=SRST"),
            (49, "H265/90000", "level-id=156;profile-id=1;tier-flag=0;tx-mode=SRST"),
        ]
        let stream = AvailableTrack(codec: .h265, parameters: FormatParameters("profile-id=1;level-id=120"))
        let codec = try view(stream, formats)
        #expect(codec?.payloadType == 49)
        #expect(codec?.localParameters.text == "profile-id=1;tier-flag=0;level-id=120;tx-mode=SRST")
        #expect(
            try view(AvailableTrack(codec: .h265), [(49, "H265/90000", nil)])?.localParameters.text == "level-id=93")
        let highTier = AvailableTrack(codec: .h265, parameters: FormatParameters("tier-flag=1"))
        #expect(throws: NegotiationError.self) { try view(highTier, formats) }
        #expect(throws: NegotiationError.self) { try publish([(49, "H265/90000", "tx-mode=MRST")]) }
    }

    // MARK: Parameter sets

    @Test func parameterSetsOfTheOfferAreDecoded() throws {
        let offer = try WebRTCOffer(SessionDescription(parsing: Vectors.offer("gst1.22-webrtcbin-sendonly")))
        let video = try #require(offer.negotiate(.publish, with: .example).section(of: .video))
        #expect(video.parameterSets.map { $0.first } == [0x67, 0x68])
        #expect(video.parameterSets.map(\.count) == [28, 4])
    }

    @Test(
        arguments: [
            ("", []), ("Zg==", [0x66]), ("Zm8=", [0x66, 0x6F]), ("Zm9v", [0x66, 0x6F, 0x6F]), ("Zg", [0x66]),
            ("+/+/", [0xFB, 0xFF, 0xBF]),
        ] as [(String, [UInt8])])
    func base64IsDecoded(_ text: String, _ bytes: [UInt8]) {
        #expect(Base64.decode(text) == bytes)
    }

    @Test(arguments: ["Z", "Zg=g", "Z g=", "Zg===", "Zm9v!"])
    func otherTextIsNotBase64(_ text: String) {
        #expect(Base64.decode(text) == nil)
    }
}
