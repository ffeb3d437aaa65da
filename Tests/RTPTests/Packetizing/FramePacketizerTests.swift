import Codecs
import RTP
import TestKit
import Testing
import Wire

private func description(
    _ codec: Codec, _ name: String? = nil, channels: Int = 1, parameters: [String: String] = [:]
) -> PayloadDescription {
    PayloadDescription(
        codec: codec, encodingName: name ?? codec.rawValue, clockRate: codec.clockRate, channels: channels
    ) { parameters[$0] }
}

private let highBitrate = ["sizelength": "13", "indexlength": "3", "indexdeltalength": "3", "config": "1190"]

private func unit(_ parts: [[UInt8]], isKeyframe: Bool = false, timestamp: UInt32 = 9_000) -> AccessUnit {
    var unit = AccessUnit(bytes: [], parts: [], timestamp: timestamp, isKeyframe: isKeyframe)
    for part in parts {
        // Bytes between parts mean nothing.
        unit.bytes += [0xEE]
        unit.parts.append(unit.bytes.count..<unit.bytes.count + part.count)
        unit.bytes += part
    }
    return unit
}

/// One payload of several pieces.
private func bytes(_ pieces: [UInt8]...) -> [UInt8] { Array(pieces.joined()) }

/// Bytes that count up.
private func ramp(_ range: Range<Int>) -> [UInt8] { range.map { UInt8($0) } }

private struct Sent: Equatable {
    var payload: [UInt8]
    var marker: Bool
    var ticks: UInt32
}

private func packetize(_ packetizer: inout FramePacketizer, _ unit: AccessUnit) -> [Sent] {
    var scratch: [UInt8] = []
    var sent: [Sent] = []
    let isSent = packetizer.packetize(unit, scratch: &scratch) { payload, piece in
        sent.append(Sent(payload: payload.array, marker: piece.takesMarker, ticks: piece.ticks))
    }
    #expect(isSent == !sent.isEmpty)
    return sent
}

private func packetize(
    _ description: PayloadDescription, _ unit: AccessUnit, limit: Int = FramePacketizer.defaultLimit
) throws -> [Sent] {
    var packetizer = try #require(FramePacketizer(description, limit: limit, pictureID: 0x1234))
    return packetize(&packetizer, unit)
}

/// What encoders wrote, made into packets and put together again.
@Suite struct FramePacketizerRoundTripTests {
    static let names = ["h264", "h265", "vp8", "vp9", "av1", "aac", "opus", "mp3", "g722", "l16"]

    @Test(arguments: names, [64, 100, 333, 1_200])
    func framesComeBackAsTheyWere(_ name: String, _ limit: Int) throws {
        let recorded = try RecordedPackets(name)
        let frames = assemble(recorded.packets, recorded.description).frames
        var packetizer = try #require(FramePacketizer(recorded.description, limit: limit, pictureID: 0x7FFE))
        var packets: [[UInt8]] = []
        for frame in frames {
            let sent = packetize(&packetizer, frame.unit)
            if name != "opus" { #expect(sent.allSatisfy { $0.payload.count <= limit }) }
            if RecordedPacketsTests.video.contains(name) {
                #expect(sent.map(\.marker) == Array(repeating: false, count: sent.count - 1) + [true])
            }
            for one in sent {
                var packet: [UInt8] = [0x80, 96 | (one.marker ? 0x80 : 0)]
                packet.append(bigEndian: UInt16(truncatingIfNeeded: packets.count))
                packet.append(bigEndian: frame.unit.timestamp &+ one.ticks)
                packet += [0, 0, 0, 1] + one.payload
                packets.append(packet)
            }
        }
        let (again, statistics) = assemble(packets, recorded.description)
        #expect(statistics.malformed == 0 && statistics.droppedFrames == 0)
        if ["g722", "l16"].contains(name) {
            #expect(again.flatMap(\.unit.bytes) == frames.flatMap(\.unit.bytes))
        } else {
            // Delimiters are left out.
            let expected = frames.map { $0.unit.partBytes.filter { name != "h264" || $0[0] & 0x1F != 9 } }
            #expect(again.map(\.unit.partBytes) == expected)
            #expect(again.map(\.unit.timestamp) == frames.map(\.unit.timestamp))
            #expect(again.map(\.unit.isKeyframe) == frames.map(\.unit.isKeyframe))
        }
    }

    /// The last packet of an access unit may be any of its parts, in any size.
    @Test(arguments: [Codec.h264, .h265, .av1, .vp9])
    func unitsOfAnySizesComeBack(_ codec: Codec) throws {
        var random = SplitMix64(seed: 23)
        for _ in 0..<300 {
            var packetizer = try #require(
                FramePacketizer(description(codec), limit: Int.random(in: 64...300, using: &random)))
            let parts = (0..<Int.random(in: 1...8, using: &random)).map { _ -> [UInt8] in
                let size = Int.random(in: 3...400, using: &random)
                let heads: [[UInt8]] =
                    switch codec {
                    case .h264: [[0x67], [0x68], [0x06], [0x65], [0x41]]
                    case .h265: [[0x40, 1], [0x42, 1], [0x44, 1], [0x4E, 1], [0x26, 1], [0x02, 2]]
                    case .av1: [[0x08], [0x30], [0x20], [0x28]]
                    default: [[0x82, 0x49]]
                    }
                // No byte makes a start code.
                let head = heads.randomElement(using: &random) ?? []
                return head + (0..<size).map { _ in UInt8.random(in: 4...255, using: &random) }
            }
            // A picture is needed for a unit to come out.
            let last: [UInt8] =
                switch codec {
                case .h264: [0x65, 0x88, 1]
                case .h265: [0x26, 1, 0xAF]
                case .av1: [0x30, 0x10, 5]
                default: [0x82, 0x49, 0x83]
                }
            let whole = unit(codec == .vp9 ? Array(parts.prefix(7)) + [last] : parts + [last])
            var assembler = FrameAssembler(description(codec))
            var found: [[[UInt8]]] = []
            for (index, sent) in packetize(&packetizer, whole).enumerated() {
                var packet: [UInt8] = [0x80, 96 | (sent.marker ? 0x80 : 0)]
                packet.append(bigEndian: UInt16(index))
                packet += [0, 0, 0, 1, 0, 0, 0, 1] + sent.payload
                packet.withBytes { bytes in
                    guard let header = try? RTPHeader(parsing: bytes) else { return }
                    assembler.receive(bytes, header: header, at: .seconds(1)) { found.append($0.unit.partBytes) }
                }
            }
            let isBegun = codec == .vp9 || codec == .av1 || assembler.statistics.malformed == 0
            #expect(isBegun && assembler.statistics.malformed == 0)
            // Joined in the middle of a picture, nothing comes: units whose first slice is not the picture's first.
            if !found.isEmpty { #expect(found == [whole.partBytes]) }
        }
    }
}

/// The bytes themselves.
@Suite struct FramePacketizerBytesTests {
    private let sps: [UInt8] = [0x67, 0x42, 0xC0, 0x1F]
    private let pps: [UInt8] = [0x28, 0xCE]
    private let sei: [UInt8] = [0x06, 5, 1, 3]

    /// PAY-9.
    @Test func parameterSetsAreAggregatedAndSlicesAreNot() throws {
        let idr = bytes([0x65], ramp(0..<70))
        let sent = try packetize(description(.h264), unit([[0x09, 0xF0], sps, pps, sei, idr]), limit: 64)
        let expected = [
            bytes([0x78, 0, 4], sps, [0, 2], pps, [0, 4], sei), bytes([0x7C, 0x85], ramp(0..<62)),
            bytes([0x7C, 0x45], ramp(62..<70)),
        ]
        #expect(sent.map(\.payload) == expected)
        #expect(sent.map(\.marker) == [false, false, true])
        // What fits goes alone, and one set alone is no aggregate.
        let small = try packetize(description(.h264), unit([sps, [0x65, 1], [0x65, 2], [0x0C, 0xFF, 0x80]]))
        #expect(small.map(\.payload) == [sps, [0x65, 1], [0x65, 2]])
        #expect(small.map(\.marker) == [false, false, true])
    }

    @Test func aggregatesKeepToTheLimit() throws {
        let long = (0..<4).map { bytes([0x67], [UInt8](repeating: UInt8($0 + 4), count: 27)) }
        let sent = try packetize(description(.h264), unit(long + [[0x65, 0x88]]), limit: 64)
        #expect(sent.map(\.payload.count) == [61, 61, 2])
        #expect(sent.map { $0.payload[0] } == [0x78, 0x78, 0x65])
    }

    /// PAY-23: the payload header has the lowest layer and sub-layer of all units.
    @Test func h265AggregatesHaveTheLowestLayers() throws {
        let vps: [UInt8] = [0x40, 0x0B, 1]
        let sps: [UInt8] = [0x43, 0x12, 2, 3]
        let pps: [UInt8] = [0x44, 0x0A, 4]
        let idr = bytes([0x26, 0x01], ramp(0..<80))
        let sent = try packetize(description(.h265), unit([vps, sps, pps, [0x46, 1, 0x50], idr]), limit: 64)
        // Layers 1, 34, 1 and sub-layers 3, 2, 2 (each plus one).
        #expect(sent.first?.payload == bytes([0x60, 0x0A, 0, 3], vps, [0, 4], sps, [0, 3], pps))
        #expect(sent.dropFirst().map(\.payload.count) == [64, 22])
        #expect(sent.dropFirst().first?.payload == bytes([0x62, 0x01, 0x93], ramp(0..<61)))
        #expect(sent.last?.payload == bytes([0x62, 0x01, 0x53], ramp(61..<80)))
        #expect(sent.map(\.marker) == [false, false, true])
    }

    @Test func vp8AndVP9HaveDescriptors() throws {
        let frame = ramp(0..<100)
        let vp8 = try packetize(description(.vp8), unit([frame]), limit: 64)
        let expected = [
            bytes([0x90, 0x80, 0x92, 0x34], ramp(0..<60)), bytes([0x80, 0x80, 0x92, 0x34], ramp(60..<100)),
        ]
        #expect(vp8.map(\.payload) == expected)
        // A keyframe of 64x48, whose size the header tells: 2 bytes less one each.
        let key = bytes([0x82, 0x49, 0x83, 0x42, 0x00, 0x03, 0xF0, 0x02, 0xF0, 0x00], frame)
        let vp9 = try packetize(description(.vp9), unit([key], isKeyframe: true), limit: 100)
        #expect(vp9.first?.payload.prefix(10) == [0x8B, 0x92, 0x34, 0x10, 0, 64, 0, 48, 0x82, 0x49])
        #expect(vp9.last?.payload.prefix(3) == [0x85, 0x92, 0x34])
        #expect(vp9.map(\.marker) == [false, true])
        // Two spatial layers that refer to the picture before.
        let inter: [UInt8] = [0x86, 1, 2, 3]
        let layers = try packetize(description(.vp9), unit([inter, inter]))
        let expectedLayers = [
            bytes([0xEC, 0x92, 0x34, 0x00, 0], inter), bytes([0xED, 0x92, 0x34, 0x03, 0], inter),
        ]
        #expect(layers.map(\.payload) == expectedLayers)
        #expect(layers.map(\.marker) == [false, true])
    }

    @Test func pictureIDsGoOnAndWrap() throws {
        var packetizer = try #require(FramePacketizer(description(.vp8), pictureID: 0x7FFF))
        let ids = (0..<3).map { _ in packetize(&packetizer, unit([[1, 2]])).first?.payload[2...3] }
        #expect(ids == [[0xFF, 0xFF], [0x80, 0x00], [0x80, 0x01]])
    }

    /// The delimiter is left out, and so are size fields; the first packet of a sequence says so.
    @Test func av1HasAnAggregationHeader() throws {
        let delimiter: [UInt8] = [0x12, 0]
        let sequence: [UInt8] = [0x0A, 3, 7, 8, 9]
        let frame = bytes([0x30], ramp(0..<99))
        let sent = try packetize(
            description(.av1), unit([delimiter, sequence, frame], isKeyframe: true), limit: 64)
        let expected = [bytes([0x68, 4, 0x08, 7, 8, 9, 0x30], ramp(0..<57)), bytes([0x90], ramp(57..<99))]
        #expect(sent.map(\.payload) == expected)
        #expect(sent.map(\.marker) == [false, true])
        // More than three OBUs make another packet, and of several only the last is without its size.
        let small = try packetize(description(.av1), unit([[0x30, 1], [0x28, 2], [0x28, 3], [0x34, 0x20, 4]]))
        let expectedSmall: [[UInt8]] = [[0x30, 2, 0x30, 1, 2, 0x28, 2, 0x28, 3], [0x10, 0x34, 0x20, 4]]
        #expect(small.map(\.payload) == expectedSmall)
    }

    @Test func soundHasTheHeadersOfItsFormat() throws {
        let frame = ramp(0..<100)
        let highBitrateAAC = description(.otherAudio, "MPEG4-GENERIC", parameters: highBitrate)
        let aac = try packetize(highBitrateAAC, unit([frame]), limit: 64)
        let expectedAAC = [bytes([0, 16, 0x03, 0x20], ramp(0..<60)), bytes([0, 16, 0x03, 0x20], ramp(60..<100))]
        #expect(aac.map(\.payload) == expectedAAC)
        #expect(aac.map(\.marker) == [false, true])
        let mp3 = try packetize(description(.otherAudio, "MPA"), unit([frame]), limit: 64)
        let expectedMP3 = [bytes([0, 0, 0, 0], ramp(0..<60)), bytes([0, 0, 0, 60], ramp(60..<100))]
        #expect(mp3.map(\.payload) == expectedMP3)
        let l16 = try packetize(description(.otherAudio, "L16", channels: 2), unit([frame]), limit: 67)
        #expect(l16.map(\.payload) == [ramp(0..<64), ramp(64..<100)])
        #expect(l16.map(\.ticks) == [0, 16])
        let pcmu = try packetize(description(.pcmu), unit([frame]))
        #expect(pcmu == [Sent(payload: frame, marker: false, ticks: 0)])
        let opus = try packetize(description(.opus), unit([frame]), limit: 64)
        #expect(opus.map(\.payload) == [frame])
    }

    @Test func whatCannotBeSentIsRefused() throws {
        #expect(FramePacketizer(description(.h264), limit: 63) == nil)
        #expect(FramePacketizer(description(.otherVideo, "JPEG")) == nil)
        #expect(FramePacketizer(description(.h265, parameters: ["sprop-max-don-diff": "1"])) == nil)
        #expect(FramePacketizer(description(.otherAudio, "MPEG4-GENERIC", parameters: ["constantsize": "8"])) == nil)
        for codec in [Codec.h264, .h265, .vp8, .vp9, .av1, .opus, .pcmu] {
            #expect(try packetize(description(codec), unit([])).isEmpty)
            #expect(try packetize(description(codec), unit([[]])).isEmpty)
            var outside = unit([[0x65, 1, 2, 3]])
            outside.bytes.removeLast()
            #expect(try packetize(description(codec), outside).isEmpty)
        }
        // Units that would be taken for structures, and what is nothing but filler.
        #expect(try packetize(description(.h264), unit([[0x78, 0, 1, 2], [0x09, 0xF0], [0x0C, 0xFF]])).isEmpty)
        #expect(try packetize(description(.h265), unit([[0x60, 1, 0], [0x46, 1, 0x50]])).isEmpty)
        #expect(try packetize(description(.av1), unit([[0x12, 0], [0xFF]])).isEmpty)
        // Larger than the size field of AAC's headers.
        let large = unit([[UInt8](repeating: 1, count: 8_192)])
        #expect(try packetize(description(.otherAudio, "MPEG4-GENERIC", parameters: highBitrate), large).isEmpty)
    }
}
