import Foundation
import SDP
import Testing
import Wire

@Suite struct SDPParserTests {
    @Test(arguments: Vectors.offers)
    func everyRecordedOfferParses(_ name: String) throws {
        let session = try SessionDescription(parsing: Vectors.offer(name))
        #expect(!session.media.isEmpty)
        for media in session.media {
            #expect(media.mid != nil)
            #expect(media.transport.icePassword != nil || session.transport.icePassword != nil)
        }
    }

    @Test func readsWhatAnOfferSays() throws {
        let session = try SessionDescription(parsing: Vectors.offer("chromium156-simulcast"))
        #expect(session.groups == [Group(semantics: "BUNDLE", mids: ["0", "1"])])
        #expect(session.extmapAllowMixed)
        #expect(session.origin.sessionID == "8076909730951765620")
        let video = try #require(session.media.last)
        #expect(video.media == "video")
        #expect(video.proto == "UDP/TLS/RTP/SAVPF")
        #expect(video.payloadTypes.prefix(4) == [96, 97, 102, 103])
        #expect(video.direction == .sendonly)
        #expect(video.transport.iceUfrag == "9e/c")
        #expect(video.transport.setup == .actpass)
        #expect(video.transport.fingerprints.first?.bytes.prefix(3) == [0xA4, 0xAF, 0x1B])
        #expect(video.hasRTCPMux && video.hasReducedSizeRTCP && !video.hasRTCPMuxOnly)
        #expect(video.rtpMap(for: 102)?.encodingName == "H264")
        #expect(video.parameters(for: 108)["profile-level-id"] == "42e01f")
        #expect(video.feedback.contains(RTCPFeedback(payloadType: 96, .nackPLI)))
        #expect(video.extensionMappings.contains { $0.id == 10 && $0.uri.hasSuffix("rtp-stream-id") })
        #expect(video.restrictionIdentifiers.map(\.id) == ["h", "m", "l"])
        #expect(video.simulcast?.send.map { $0.map(\.rid) } == [["h"], ["m"], ["l"]])
        #expect(video.streamIdentifiers.first?.stream == "d6efbf56-2fc6-4215-9caa-4ac2e0e65ad2")
        let audio = try #require(session.media.first)
        #expect(audio.candidates.count == 4)
        #expect(audio.candidates.first?.socketAddress == SocketAddress(ipv4: 0xC000_0202, port: 48734))
        #expect(
            audio.sourceAttributes.first
                == SourceAttribute(
                    ssrc: 2_060_200_921, name: "cname", value: "Y8VjMa7T/4dhVARa"))
    }

    @Test func firefoxWritesExtensionDirectionsAndSessionFingerprint() throws {
        let session = try SessionDescription(parsing: Vectors.offer("firefox153-h264-simulcast"))
        #expect(session.transport.fingerprints.count == 1)
        #expect(session.direction == .sendrecv)
        let video = try #require(session.media.last)
        #expect(video.port == 0 && video.isBundleOnly)
        #expect(video.extensionMappings.first { $0.id == 6 }?.direction == .recvonly)
        #expect(video.extensionMappings.first { $0.id == 9 }?.direction == .sendonly)
        #expect(video.sourceGroups.count == 3)
    }

    @Test func dataChannelSectionsKeepTheirFormat() throws {
        let session = try SessionDescription(parsing: Vectors.offer("chromium156-sendrecv-dc"))
        #expect(session.media.last?.formats == ["webrtc-datachannel"])
        #expect(session.media.last?.isRTP == false)
    }

    // MARK: Tolerance (SDP-1, SDP-Q4, SDP-Q8, SDP-E4)

    @Test(arguments: ["\r\n", "\n", "\r", "\r\n\r\n", " \t\r\n"])
    func anyLineEndIsTaken(_ end: String) throws {
        let lines = ["v=0", "s= ", videoLine, "a=mid:x", "a=rtpmap:96 VP8/90000", "nonsense", "q=1", "="]
        let session = try parse(text: lines.joined(separator: end))
        #expect(session.media.first?.mid == "x")
        #expect(session.media.first?.rtpMaps.count == 1)
    }

    @Test func aByteOrderMarkAndBlankLinesBeforeTheVersionAreTaken() throws {
        #expect(try parse(text: "\u{FEFF}v=0\r\n").media.isEmpty)
        #expect(try parse(text: "\r\n\r\n v=0\r\nm=audio 9 RTP/AVP 0").media.count == 1)
    }

    @Test func bytesThatAreNotUTF8DoNotMatter() throws {
        var text = Array("v=0\r\ns=".utf8) + [0xFF, 0xFE, 0x80]
        text += Array("\r\nx=".utf8) + [0xC0] + Array("\r\n\(videoLine)\r\na=foo:".utf8) + [0xFF, 0x0D, 0x0A]
        let session = try SessionDescription(parsing: text)
        #expect(session.media.count == 1)
        #expect(session.media.first?.otherAttributes.first?.name == "foo")
    }

    @Test func parametersMayComeBeforeTheMapping() throws {
        let session = try parse(
            videoLine, "a=fmtp:96\t profile-level-id=42E01F ;; Packetization-Mode=1;", "a=rtpmap:96  h264/90000 ")
        let parameters = try #require(session.media.first).parameters(for: 96)
        #expect(parameters["profile-level-id"] == "42E01F")
        #expect(parameters["packetization-mode"] == "1")
        #expect(session.media.first?.rtpMap(for: 96)?.encodingName == "h264")
    }

    @Test func staticPayloadTypesNeedNoMapping() throws {
        let session = try parse("m=audio 9 RTP/AVP 0 3 8 9 10 11 14 26 32 33 35")
        let media = try #require(session.media.first)
        let names = media.payloadTypes.map { media.rtpMap(for: $0)?.encodingName }
        #expect(names == ["PCMU", "GSM", "PCMA", "G722", "L16", "L16", "MPA", "JPEG", "MPV", "MP2T", nil])
        #expect(media.rtpMap(for: 9)?.clockRate == 8000)
        #expect(media.rtpMap(for: 10)?.channels == 2)
        // All of RFC 3551, tables 4 and 5, that are neither reserved nor unassigned.
        let assigned = (UInt8(0)...95).filter { RTPMap.staticAssignment(of: $0) != nil }
        #expect(assigned == [0] + Array(3...18) + [25, 26, 28, 31, 32, 33, 34])
        let rates = [4, 5, 6, 7, 12, 13, 15, 16, 17, 18, 25, 28, 31, 34].map {
            RTPMap.staticAssignment(of: $0).map { "\($0.encodingName)/\($0.clockRate)" }
        }
        #expect(
            rates == [
                "G723/8000", "DVI4/8000", "DVI4/16000", "LPC/8000", "QCELP/8000", "CN/8000", "G728/8000", "DVI4/11025",
                "DVI4/22050", "G729/8000", "CelB/90000", "nv/90000", "H261/90000", "H263/90000",
            ])
    }

    @Test func candidatesAndBandwidthsThatCannotBeReadAreLeftOut() throws {
        let session = try parse(
            videoLine, "a=candidate:nonsense", "a=candidate:1 1 udp 1 192.0.2.1 65536 typ host", "b=AS:many", "b=AS:500"
        )
        #expect(session.media.first?.candidates == [])
        #expect(session.media.first?.bandwidths == [Bandwidth(type: "AS", value: 500)])
        #expect(session.media.first?.bandwidths.first?.bitsPerSecond == 500_000)
        #expect(Bandwidth(type: "AS", value: .max).bitsPerSecond == nil)
    }

    @Test func attributesOfOtherProtocolsStayText() throws {
        let session = try parse(
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=sctp-port:5000", "a=fmtp:webrtc-datachannel max=1",
            "a=rtpmap")
        #expect(
            session.media.first?.otherAttributes == [
                Attribute("sctp-port", "5000"), Attribute("fmtp", "webrtc-datachannel max=1"), Attribute("rtpmap"),
            ])
    }

    // MARK: Refusals (SDP-3, SDP-E2, SDP-E5)

    @Test(arguments: [
        ("m=video 65536 UDP/TLS/RTP/SAVPF 96", "port"),
        ("m=video -1 UDP/TLS/RTP/SAVPF 96", "port"),
        ("m=video 9/99999 UDP/TLS/RTP/SAVPF 96", "port count"),
        ("m=video", "port"),
        ("m=video 9", "media, port, protocol"),
        ("m=", "names no media"),
        ("m=video 9 UDP/TLS/RTP/SAVPF 128", "payload type"),
        ("m=video 9 UDP/TLS/RTP/SAVPF 99999999999999999999", "payload type"),
        ("m=video 9 UDP/TLS/RTP/SAVPF x", "payload type"),
        ("\(videoLine)\r\na=rtpmap:128 VP8/90000", "payload type"),
        ("\(videoLine)\r\na=rtpmap:96 VP8/0", "clock rate"),
        ("\(videoLine)\r\na=rtpmap:96 VP8/4294967296", "clock rate"),
        ("\(videoLine)\r\na=rtpmap:96 VP8", "clock rate"),
        ("\(videoLine)\r\na=rtpmap:96 opus/48000/0", "channel count"),
        ("\(videoLine)\r\na=rtpmap:96 opus/48000/256", "channel count"),
        ("\(videoLine)\r\na=rtpmap:96", "names no codec"),
        ("\(videoLine)\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:96 VP9/90000", "two codecs"),
        ("\(videoLine)\r\na=fmtp:300 x=1", "payload type"),
        ("\(videoLine)\r\na=rtcp-fb:300 nack", "payload type"),
        ("\(videoLine)\r\na=extmap:65536 urn:x", "extension id"),
        ("\(videoLine)\r\na=extmap:1", "no URI"),
        ("\(videoLine)\r\na=extmap:1/upward urn:x", "direction"),
        ("\(videoLine)\r\na=ssrc:4294967296 cname:x", "SSRC"),
        ("\(videoLine)\r\na=ssrc:1", "no attribute"),
        ("\(videoLine)\r\na=ssrc-group:FID 1 two", "SSRC"),
        ("\(videoLine)\r\na=mid:a b", "a=mid"),
        ("\(videoLine)\r\na=mid:", "a=mid"),
        ("\(videoLine)\r\na=rid:h! send", "restriction identifier"),
        ("\(videoLine)\r\na=rid:h upward", "send nor recv"),
        ("\(videoLine)\r\na=rid:h send pt=96,200", "payload type"),
        ("\(videoLine)\r\na=simulcast:send h;;l", "rid"),
        ("\(videoLine)\r\na=simulcast:send h;", "rid"),
        ("\(videoLine)\r\na=simulcast:up h", "send nor recv"),
        ("\(videoLine)\r\na=simulcast:send", "rid"),
        ("\(videoLine)\r\na=simulcast:send h\r\na=simulcast:send h", "second"),
        ("a=setup:maybe", "a=setup"),
        ("a=fingerprint:sha-256 AA:BB", "fingerprint"),
        ("a=fingerprint:sha-256 AABB", "fingerprint"),
        ("a=fingerprint:foo A", "fingerprint"),
        ("a=ice-ufrag:abc", "user fragment"),
        ("a=ice-ufrag:ab cd", "user fragment"),
        ("a=ice-pwd:short", "password"),
        ("a=group:", "semantics"),
        ("a=group:BUNDLE a,b", "names"),
        ("a=foo:\u{0}", "control character"),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96\u{7F}", "control character"),
    ])
    func brokenLinesAreNamed(_ line: String, _ words: String) throws {
        let error = try #require(refusal("v=0\r\n\(line)\r\n"))
        #expect(error.kind == .malformed)
        #expect(error.line == 1 + line.split(separator: "\r\n").count)
        #expect(error.description.contains(words))
        #expect(error.description.hasPrefix("line "))
    }

    @Test(arguments: ["", "\r\n\n", "o=- 0 0 IN IP4 0.0.0.0", "v=1", "v=", "<html>", "{\"type\":\"offer\"}"])
    func otherTextIsNoDescription(_ text: String) {
        #expect(refusal(text)?.kind == .notSDP)
    }

    @Test func errorTextsRepeatNoControlCharactersAndNoLongInput() throws {
        let junk = String(repeating: "\u{1B}[31m<\u{0}é", count: 100)
        let errors = ["m=video \(junk) x", "m=video 9 RTP/AVP \(junk)", "\(videoLine)\r\na=mid:\(junk)"]
            .compactMap { refusal("v=0\r\n\($0)") }
        #expect(errors.count == 3)
        for error in errors {
            #expect(error.description.utf8.count < 200)
            #expect(error.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
        }
    }
}
