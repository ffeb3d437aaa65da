import Codecs
import RTP
import TestKit
import Testing
import Wire

/// PAY-41: what FFmpeg writes as ADTS, in the packets that cameras make of it.
@Suite struct ADTSRemovalTests {
    /// AAC LC, 44.1 kHz, two channels.
    static let configuration: [UInt8] = [0x12, 0x10]
    static let mode = ["mode": "AAC-hbr", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"]

    private func description(_ parameters: [String: String]) -> PayloadDescription {
        PayloadDescription(
            codec: .otherAudio, encodingName: "mpeg4-generic", clockRate: 44_100, channels: 2
        ) { parameters[$0] }
    }

    private func packet(_ payload: [UInt8], number: Int, unit: Int) -> [UInt8] {
        var bytes: [UInt8] = [0x80, 0x80 | 97]
        bytes.append(bigEndian: UInt16(truncatingIfNeeded: number))
        bytes.append(bigEndian: UInt32(truncatingIfNeeded: unit * 1_024))
        bytes.append(bigEndian: UInt32(1))
        return bytes + payload
    }

    private func units(_ frames: [[UInt8]]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: UInt16(16 * frames.count))
        for frame in frames { bytes.append(bigEndian: UInt16(frame.count) << 3) }
        return bytes + frames.flatMap { $0 }
    }

    /// The frames with their headers.
    private func framed(_ recorded: RecordedPackets) -> [[UInt8]] { recorded.packets.map { Array($0[16...]) } }

    /// What goes on of `packets`.
    private func pass(_ packets: [[UInt8]], _ removal: inout ADTSRemoval) -> [[UInt8]] {
        var out: [[UInt8]] = []
        for packet in packets {
            packet.withBytes { bytes in
                guard let header = try? RTPHeader(parsing: bytes) else { return }
                removal.receive(bytes, header: header) { bytes, header in
                    out.append(bytes.array)
                    #expect((try? RTPHeader(parsing: bytes)) == header)
                }
            }
        }
        return out
    }

    /// What a decoder that knows mode AAC-hbr gets of `packets`.
    private func frames(of packets: [[UInt8]], _ parameters: [String: String]) throws
        -> (frames: [[UInt8]], times: [Int64], removal: ADTSRemoval)
    {
        var removal = try #require(ADTSRemoval(description(parameters)))
        let out = pass(packets, &removal)
        let (frames, statistics) = assemble(out, description(Self.mode.merging(["config": "1210"]) { $1 }))
        #expect(statistics.malformed == 0 && statistics.droppedFrames == 0)
        return (frames.flatMap(\.unit.partBytes), frames.map(\.presentationTime), removal)
    }

    private func check(_ packets: [[UInt8]], _ name: Comment, _ parameters: [String: String] = mode) throws {
        let recorded = try RecordedPackets("adts")
        let (frames, times, removal) = try frames(of: packets, parameters)
        #expect(frames == recorded.units.map(\.bytes), name)
        #expect(zip(times, times.dropFirst()).allSatisfy { $1 - $0 == 1_024 }, name)
        #expect(removal.configuration == Self.configuration, name)
        #expect(removal.statistics.rewritten == UInt64(packets.count) && removal.statistics.dropped == 0, name)
        #expect(!removal.awaitsConfiguration, name)
    }

    @Test func headersAreTakenOffInWhateverShapeTheyCome() throws {
        let recorded = try RecordedPackets("adts")
        let framed = framed(recorded)
        try check(recorded.packets, "in units, as recorded")
        try check(
            recorded.packets, "against the description's configuration", Self.mode.merging(["config": "1188"]) { $1 })
        let bare = framed.enumerated().map { packet($1, number: $0, unit: $0) }
        try check(bare, "in place of units")
        try check(bare, "in place of units, and not described", [:])
        let pairs = stride(from: 0, to: framed.count, by: 2).map { first in
            Array(framed[first..<min(first + 2, framed.count)])
        }
        try check(
            pairs.enumerated().map { packet(units($1), number: $0, unit: 2 * $0) }, "two units in a packet")
        try check(
            pairs.enumerated().map { packet($1.flatMap { $0 }, number: $0, unit: 2 * $0) }, "two frames in a packet")
        try check(
            pairs.enumerated().map { packet(units([$1.flatMap { $0 }]), number: $0, unit: 2 * $0) },
            "two frames in a unit")
        // Mode AAC-lbr with larger fields.
        let wide = framed.enumerated().map { number, frame in
            packet([0, 24, UInt8(frame.count >> 8), UInt8(frame.count & 255), 0] + frame, number: number, unit: number)
        }
        try check(wide, "in another layout", ["sizelength": "16", "indexlength": "8", "indexdeltalength": "8"])
    }

    @Test func framesOverSeveralPacketsStayTogether() throws {
        let framed = framed(try RecordedPackets("adts"))
        var bare: [[UInt8]] = []
        var inUnits: [[UInt8]] = []
        for (unit, frame) in framed.enumerated() {
            let cuts = [0, 8, 9, frame.count]
            for (start, end) in zip(cuts, cuts.dropFirst()) {
                var header: [UInt8] = [0, 16]
                header.append(bigEndian: UInt16(frame.count) << 3)
                bare.append(packet(Array(frame[start..<end]), number: bare.count, unit: unit))
                inUnits.append(packet(header + frame[start..<end], number: inUnits.count, unit: unit))
            }
        }
        try check(bare, "without units")
        try check(inUnits, "in units")
    }

    @Test func whatHasNoHeadersPassesAsItCame() throws {
        let recorded = try RecordedPackets("aac")
        var removal = try #require(ADTSRemoval(recorded.description))
        #expect(pass(recorded.packets, &removal) == recorded.packets)
        #expect(removal.statistics == ADTSRemoval.Statistics())
        #expect(removal.configuration == nil)
        var latm = try RecordedPackets("latm")
        #expect(ADTSRemoval(latm.description) == nil)
        latm.parameters["encoding"] = "MPEG4-GENERIC"
        var other = try #require(ADTSRemoval(latm.description))
        #expect(pass(latm.packets, &other) == latm.packets)
    }

    @Test func aConfigurationThatSaysTheSameIsKept() throws {
        let recorded = try RecordedPackets("adts")
        // The same core, with SBR behind a sync word.
        let implicit = try frames(of: recorded.packets, Self.mode.merging(["config": "121056E500"]) { $1 })
        #expect(implicit.removal.configuration == [0x12, 0x10, 0x56, 0xE5, 0x00])
        let mono = try frames(of: recorded.packets, Self.mode.merging(["config": "1208"]) { $1 })
        #expect(mono.removal.configuration == Self.configuration)
        // A stream that changes is followed.
        var removal = mono.removal
        let one = recorded.packets[0].enumerated().map { $0 == 19 ? $1 & 0x3F | 0x40 : $1 }
        _ = pass([one], &removal)
        #expect(removal.configuration == [0x12, 0x08])
    }

    @Test func hostilePacketsDoNoHarm() throws {
        let framed = framed(try RecordedPackets("adts"))
        var random = SplitMix64(seed: 41)
        for layout in [
            Self.mode, [:], ["sizelength": "6", "indexlength": "2", "auxiliarydatasizelength": "4"],
            ["constantsize": "9"],
        ] {
            var removal = try #require(ADTSRemoval(description(layout)))
            var number = 0
            for _ in 0..<4_000 {
                var payload =
                    Bool.random(using: &random) ? framed[Int.random(in: 0..<framed.count, using: &random)] : []
                if Bool.random(using: &random) { payload = units([payload]) }
                payload = Array(payload.prefix(Int.random(in: 0...payload.count, using: &random)))
                for _ in 0..<Int.random(in: 0...4, using: &random) where !payload.isEmpty {
                    payload[Int.random(in: 0..<min(12, payload.count), using: &random)] = UInt8.random(
                        in: 0...255, using: &random)
                }
                for made in pass([packet(payload, number: number, unit: 0)], &removal) {
                    #expect(made.count <= payload.count + 12 + 2 * 64 + 2)
                }
                number += Int.random(in: 0...2, using: &random)
            }
        }
    }
}
