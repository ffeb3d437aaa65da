import Codecs
import RTP
import SDP
import Testing

@testable import WebRTC

/// Retransmission formats in offers and answers (SDP-14, RFC 4588 section 8).
@Suite struct RetransmissionNegotiationTests {
    private func offer(
        _ formats: [(Int, String, String?)], direction: String = "sendonly", extra: [String] = ["a=rtcp-fb:96 nack"]
    ) -> OfferText {
        var offer = direction == "sendonly" ? OfferText() : OfferText.viewer
        offer.sections[1] = videoSection(formats, direction: direction, extra: extra)
        return offer
    }

    @Test func theFormatWhoseAptNamesTheCodecIsAnswered() throws {
        let formats: [(Int, String, String?)] = [
            (96, "VP8/90000", nil), (97, "rtx/90000", "apt=96"), (98, "VP9/90000", nil), (99, "rtx/90000", "apt=98"),
        ]
        let session = try offer(formats).published()
        #expect(session.sections[1].codec?.retransmissionPayloadType == 97)
        #expect(session.answer.media[1].payloadTypes == [96, 97])
        #expect(session.answerText.contains("a=rtpmap:97 rtx/90000\r\n"))
        #expect(session.answerText.contains("a=fmtp:97 apt=96\r\n"))
        #expect(!session.answerText.contains("apt=98"))
    }

    @Test(
        arguments: [
            [(96, "VP8/90000", nil), (97, "rtx/90000", nil)],
            [(96, "VP8/90000", nil), (97, "rtx/90000", "apt=97")],
            [(96, "VP8/90000", nil), (97, "rtx/90000", "apt=98"), (98, "rtx/90000", "apt=97")],
            [(96, "VP8/90000", nil), (97, "rtx/90000", "apt=352")],
            [(96, "VP8/90000", nil), (97, "rtx/90000", "apt=ninety-six")],
            [(96, "VP8/90000", nil), (97, "rtx/48000", "apt=96")],
            [(96, "VP8/90000", "apt=96")],
        ] as [[(Int, String, String?)]])
    func aPairingThatLeadsNowhereOnlyDisablesRetransmission(_ formats: [(Int, String, String?)]) throws {
        let session = try offer(formats).published()
        #expect(session.sections[1].codec?.codec == .vp8)
        #expect(session.sections[1].codec?.retransmissionPayloadType == nil)
        #expect(session.sections[1].feedback == .nack)
        #expect(session.answer.media[1].payloadTypes == [96])
    }

    @Test func withoutNackThereIsNothingToRetransmit() throws {
        let formats: [(Int, String, String?)] = [(96, "VP8/90000", nil), (97, "rtx/90000", "apt=96")]
        let session = try offer(
            formats,
            extra: ["a=rtcp-fb:96 nack pli", "a=extmap:9 \(ExtensionURI.repairedRid)", "a=ssrc-group:FID 5 6"]
        ).published()
        #expect(session.sections[1].codec?.retransmissionPayloadType == nil)
        #expect(session.answer.media[1].extensionMappings.isEmpty)
        let other = try offer(formats, extra: ["a=rtcp-fb:96 nack", "a=extmap:9 \(ExtensionURI.repairedRid)"])
            .published()
        #expect(other.answer.media[1].extensionMappings.map(\.id) == [9])
    }

    @Test func audioIsNotRepaired() throws {
        var offer = OfferText()
        offer.sections[0] += ["a=rtcp-fb:111 nack"]
        #expect(try offer.published().sections[0].feedback == [])
    }

    @Test func viewersAreToldTheSourceOfRetransmissions() throws {
        let formats: [(Int, String, String?)] = [(96, "VP8/90000", nil), (97, "rtx/90000", "apt=96")]
        let session = try offer(formats, direction: "recvonly").viewed([.vp8, .opus])
        #expect(session.sections[1].localRetransmissionSSRC == 33_333)
        #expect(session.answerText.contains("a=ssrc-group:FID 22222 33333\r\n"))
        #expect(session.answerText.contains("a=ssrc:33333 cname:room-cname\r\n"))
        let plain = try offer([(96, "VP8/90000", nil)], direction: "recvonly").viewed([.vp8, .opus])
        #expect(plain.sections[1].localRetransmissionSSRC == nil)
        #expect(plain.sections[1].feedback == .nack)
        #expect(!plain.answerText.contains("33333"))
    }

    @Test func announcedSourcesArePairedWithTheirRepairs() throws {
        let formats: [(Int, String, String?)] = [(96, "VP8/90000", nil), (97, "rtx/90000", "apt=96")]
        let session = try offer(
            formats,
            extra: [
                "a=rtcp-fb:96 nack", "a=ssrc-group:FID 5 6", "a=ssrc-group:FID 5 7", "a=ssrc-group:FID 8",
                "a=ssrc:5 cname:x", "a=ssrc:6 cname:x",
            ]
        ).published()
        #expect(session.sections[1].remoteRetransmissionSSRCs == [5: 6])
        let ingest = try #require(IngestSection(session.sections[1]))
        #expect(ingest.routing.ssrcs.first == 5)
        #expect(ingest.routing.repairSSRCs.first == 6)
        #expect(ingest.routing.repairPayloadTypes.contains(97))
        #expect(ingest.retransmissions == [.init(payloadType: 97, original: 96)])
    }
}
