import Codecs
import Conversion
import Foundation
import RTSP
import SDP
import Streams
import TestKit
import Testing
import Wire

@testable import Server

/// Descriptions as cameras write them (RTSP-Q1), from `Tests/Vectors/RTSP`.
@Suite struct RTSPDescriptionTests {
    struct Expected: Sendable, CustomTestStringConvertible {
        var file: String
        /// What is pulled: name of the encoding, payload type, clock rate, control.
        var tracks: [String]
        var sections: Int
        var hasParameterSets = true

        var testDescription: String { file }
    }

    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Vectors/RTSP/descriptions")

    private static func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appending(path: name + ".sdp")))
    }

    static let all: [Expected] = [
        // A connection line inside a connection line, absolute controls of another address, a channel count of 0.
        Expected(
            file: "hikvision",
            tracks: [
                "H264 96 90000 rtsp://192.0.2.64:554/Streaming/Channels/101/trackID=1?transportmode=unicast",
                "PCMA 8 8000 rtsp://192.0.2.64:554/Streaming/Channels/101/trackID=2?transportmode=unicast",
            ], sections: 2),
        // Metadata and a back channel beside what is sent.
        Expected(
            file: "dahua", tracks: ["H265 96 90000 trackID=0", "MPEG4-GENERIC 97 16000 trackID=1"], sections: 4),
        // An origin whose name has a blank, parameters without a blank before them.
        Expected(file: "amcrest", tracks: ["H264 96 90000 trackID=0"], sections: 1),
        // A media kind that is no word, formats that are no payload types.
        Expected(file: "tplink", tracks: ["H264 96 90000 track1", "PCMA 8 8000 track2"], sections: 3),
        Expected(file: "mercury", tracks: ["H264 96 90000 track1", "PCMA 8 8000 track2"], sections: 3),
        // Lines that end with LF, a hexadecimal session, empty parameters.
        Expected(file: "tapo", tracks: ["H264 96 90000 track1", "PCMA 8 8000 track2"], sections: 2),
        // Two audio tracks, of which one is a back channel.
        Expected(file: "reolink", tracks: ["H264 96 90000 track1", "MPEG4-GENERIC 97 16000 track2"], sections: 3),
        // An origin with a field too few, no time.
        Expected(
            file: "uniview", tracks: ["H264 105 90000 rtsp://192.0.2.13/media/video1/video"], sections: 2),
        // Lines in no order, negative session numbers.
        Expected(file: "verint", tracks: ["H264 96 90000 trackID=1"], sections: 1),
        // Blank lines, a static payload type without a mapping.
        Expected(
            file: "flir", tracks: ["JPEG 26 90000 rtsp://192.0.2.9/mjpg/video.mjpg"], sections: 1,
            hasParameterSets: false),
        Expected(
            file: "axis",
            tracks: ["H264 96 90000 rtsp://192.0.2.90/axis-media/media.amp/stream=0?videocodec=h264"], sections: 1),
        // A payload type from the static range for H264, sound without compression.
        Expected(
            file: "bosch", tracks: ["H264 35 90000 rtsp://192.0.2.80/video", "L16 98 16000 audio"], sections: 2),
        // `RTP/AVP/TCP`, a connection without an address, two controls.
        Expected(file: "vurix", tracks: ["H264 96 90000 rtsp://192.0.2.44/live/trackID=1"], sections: 1),
        // A transport stream, whose protocol says so.
        Expected(file: "fritzbox", tracks: ["MP2T 33 90000 stream=1"], sections: 1, hasParameterSets: false),
        // Blanks before the colon, a clock that H264 does not have, `o=- 0`.
        Expected(file: "costarhd", tracks: ["H264 96 90000 trackID=0"], sections: 1),
        // Nothing but a track: no origin, name, time or control, and no clock rate.
        Expected(file: "drone", tracks: ["H264 96 90000 "], sections: 1, hasParameterSets: false),
        Expected(
            file: "garbage-behind-nul", tracks: ["H264 96 90000 1"], sections: 1, hasParameterSets: false),
        // Lines that end with CR, and a mapping without its blank.
        Expected(file: "byte-order-mark", tracks: ["H264 96 90000 1"], sections: 1, hasParameterSets: false),
        Expected(
            file: "no-payload-type", tracks: ["H264 96 90000 v", "opus 97 48000 a"], sections: 2,
            hasParameterSets: false),
        // RTSP-Q7: the first of two that are the same; a payload type that is mapped twice counts the first time.
        Expected(
            file: "two-same-audio", tracks: ["H264 96 90000 v", "PCMU 0 8000 a1"], sections: 3,
            hasParameterSets: false),
    ]

    /// RTSP-Q1, RTSP-50
    @Test(arguments: all)
    func whatCamerasDescribeIsUnderstood(_ expected: Expected) throws {
        let sections = try RTSPDescriptionReader.read(Self.bytes(expected.file))
        #expect(sections.count == expected.sections)
        let tracks = RTSPTrackChoice(sections).tracks
        #expect(
            tracks.map {
                "\($0.format?.encodingName ?? "") \($0.payloadType) \($0.clockRate) \($0.control)"
            } == expected.tracks)
        let parameters = tracks.flatMap { $0.format?.parameters ?? [] }
        #expect(parameters.contains { $0.name.hasPrefix("sprop-") } == expected.hasParameterSets)
    }

    /// RTSP-24: keys of all tracks, and of one.
    @Test func keysInADescriptionAreRead() throws {
        func keys(_ byte: UInt8) throws -> RTSPMediaKeys {
            try #require(
                RTSPMediaKeys(
                    key: [UInt8](repeating: byte, count: RTSPMediaKeys.keyLength),
                    salt: [UInt8](repeating: byte, count: RTSPMediaKeys.saltLength)))
        }
        func line(_ keys: RTSPMediaKeys) -> String {
            let message = MIKEYMessage(keys: keys, bundle: 1, ssrcs: [2])
                .serialized(ntp: 3, random: [UInt8](repeating: 4, count: 16))
            return "a=key-mgmt:\(RTSPKeyManagement.attribute(message))\n"
        }
        let (one, other) = (try keys(1), try keys(2))
        let text =
            "v=0\n" + line(one) + "m=video 0 RTP/SAVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/SAVP 8\n" + line(other)
        let media = try RTSPDescriptionReader.read(Array(text.utf8))
        #expect(media.map(\.keys) == [one, other])
    }

    /// RFC 2326, section C.1.1
    @Test(arguments: [
        ("bosch", "rtsp://192.0.2.80/"), ("axis", "rtsp://192.0.2.90/axis-media/media.amp?videocodec=h264"),
        ("dahua", "*"), ("tapo", ""),
    ])
    func theControlOfTheWholeIsRead(_ file: String, _ expected: String) throws {
        #expect(try RTSPDescriptionReader.session(Self.bytes(file)).control == expected)
    }

    /// PAY-46: what browsers do not know of the codecs of telephony is sound to convert, or to leave out.
    @Test(arguments: [
        ("PCMU/8000", Codec.pcmu, false), ("PCMA/8000/1", .pcma, false), ("G722/8000", .g722, false),
        ("PCMU/8000/2", .otherAudio, true), ("pcma/16000", .otherAudio, true), ("PCMA/44100/6", .otherAudio, true),
        ("G722/8000/2", .otherAudio, false), ("PCMU/8000/9", .otherAudio, false), ("opus/48000/2", .opus, false),
    ])
    func telephonyWithMoreChannelsIsForeignSound(_ mapping: String, _ codec: Codec, _ isConverted: Bool) throws {
        let text = "v=0\nm=audio 0 RTP/AVP 96\na=rtpmap:96 \(mapping)\n"
        let format = try #require(try RTSPDescriptionReader.read(Array(text.utf8)).first?.format)
        #expect(format.codec == codec)
        let parts = mapping.split(separator: "/")
        #expect(format.encodingName.lowercased() == parts[0].lowercased())
        #expect(format.clockRate == UInt32(parts[1]))
        #expect(format.channels == (parts.count > 2 ? Int(parts[2]) : 1))
        #expect(format.isForeignSound == (codec == .otherAudio))
        let wanted = ConversionFormat(format, configuration: format.announcedConfiguration, bitRate: 64_000)
        #expect((format.isForeignSound && wanted != nil) == isConverted)
        // RTSP readers get it as it was announced.
        let offered = String(
            decoding: RTSPDescriptionWriter.write(room: "r", formats: [format], version: 1), as: UTF8.self)
        #expect(offered.contains(" \(format.encodingName)/\(parts[1])"))
    }

    @Test func everyFileHasItsExpectation() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
        #expect(Set(files) == Set(Self.all.map { $0.file + ".sdp" }))
    }

    private func repaired(_ line: String) -> String {
        let text = RTSPDescriptionRepair.repaired(Array("m=audio 0 RTP/AVP 96\n\(line)".utf8))
        return String(decoding: text, as: UTF8.self).split(separator: "\r\n").dropFirst(2).joined(separator: "|")
    }

    /// One line of the repair at a time.
    @Test(arguments: [
        ("m=video 0 RTP/AVP/TCP 96", "m=video 0 RTP/AVP 96"), ("m=video 0/2 MP2T/RTP/UDP 33", "m=video 0 RTP/AVP 33"),
        ("M=VIDEO 70000 RTP/AVP 96 128 x 97", "m=video 0 RTP/AVP 96 97"), ("m=video", "m=video 0 RTP/AVP"),
        ("m=", ""), ("a = rtpmap : 96 opus/48000/2", "a=rtpmap:96 opus/48000/2"),
        ("a=rtpmap 96 opus/48000/2", "a=rtpmap:96 opus/48000/2"), ("A=RTPMAP:96 opus/1", "a=rtpmap:96 opus/48000"),
        ("a=rtpmap:96 PCMA/16000", "a=rtpmap:96 PCMA/16000"), ("a=rtpmap:96 x-any/0/0", "a=rtpmap:96 x-any/8000"),
        ("a=rtpmap:96 L24/1000000", "a=rtpmap:96 L24/1000000"), ("a=rtpmap:96 L24/1000001", ""),
        ("a=rtpmap:96 L24/4294967295", ""), ("a=rtpmap:96 L24/99999999999999999999", ""),
        ("a=rtpmap:96", ""), ("a=rtpmap:opus/48000", ""), ("a=rtpmap:200 opus/48000", ""),
        ("a=rtpmap:96 a/b/c/d", "a=rtpmap:96 a/8000"), ("a=rtpmap:96 \u{e9}/8000", ""),
        ("a=fmtp:96packetization-mode=1", "a=fmtp:96 packetization-mode=1"), ("a=fmtp:  96  a=b", "a=fmtp:96 a=b"),
        ("a=fmtp:x a=b", ""), ("a=control:", "a=control:"), ("a=control : trackID=1 ", "a=control:trackID=1"),
        ("a=SendOnly", "a=sendonly"), ("a=range:npt=0-", ""), ("o=-0", ""), ("c=IN", ""), ("nonsense", ""),
        ("=", ""), ("a", ""), ("\u{1}\u{2}a=control:\u{3}x", "a=control:x"),
    ])
    func oneLineAtATime(_ line: String, _ expected: String) { #expect(repaired(line) == expected) }

    /// Hostile descriptions: an error or tracks, never a trap, and in bounds.
    @Test func hostileDescriptionsNeverTrap() throws {
        var random = SplitMix64(seed: 11)
        let seeds = try Self.all.map { try Self.bytes($0.file) }
        for round in 0..<4_000 {
            var text = seeds[round % seeds.count]
            for _ in 0..<(1 + random.next() % 8) {
                let position = Int(random.next() % UInt64(max(1, text.count)))
                switch random.next() % 4 {
                case 0: text[position] = UInt8(truncatingIfNeeded: random.next())
                case 1: text.removeSubrange(position..<min(text.count, position + Int(random.next() % 20)))
                case 2: text.insert(contentsOf: text.prefix(Int(random.next() % 60)), at: position)
                default: text.insert(contentsOf: Array(" :/=;\n".utf8), at: position)
                }
                if text.isEmpty { text = [0x6D] }
            }
            if let sections = try? RTSPDescriptionReader.read(text) {
                _ = RTSPTrackChoice(sections)
                #expect(sections.count <= SDPLimits.standard.maximumMediaSections)
            }
        }
        let many = Array(String(repeating: "m=video 0 RTP/AVP 96\n", count: 100).utf8)
        #expect(throws: SDPError.self) { try RTSPDescriptionReader.read(many) }
        let large = Array("m=video 0 RTP/AVP 96\n".utf8) + [UInt8](repeating: 0x61, count: 10 << 20)
        #expect(try RTSPDescriptionReader.read(large).count == 1)
        #expect(try RTSPDescriptionReader.read([]).isEmpty)
    }
}
