import Codecs
import RTP
import TestKit
import Testing
import Wire

/// What FFmpeg's packetizers take apart is put together again (PAY-1, 20, 30–32, 40, 42, 44, 46, 52).
@Suite struct RecordedPacketsTests {
    static let names = [
        "h264", "h265", "vp8", "vp9", "av1", "mjpeg", "mpeg4", "mpeg2", "aac", "latm", "opus", "mp3", "g722", "l16",
    ]
    static let video = ["h264", "h265", "vp8", "vp9", "av1", "mjpeg", "mpeg4", "mpeg2"]

    @Test(arguments: names)
    func framesAreThoseThatWereSent(_ name: String) throws {
        let recorded = try RecordedPackets(name)
        let (frames, statistics) = assemble(recorded.packets, recorded.description)
        #expect(statistics.malformed == 0)
        #expect(statistics.droppedFrames == 0)
        switch name {
        case "g722", "l16":
            // Sound without frames is cut anew.
            #expect(frames.flatMap(\.unit.bytes) == recorded.units.flatMap(\.bytes))
        case "mjpeg":
            try #require(frames.count == recorded.units.count)
            for (frame, unit) in zip(frames, recorded.units) {
                #expect(Self.scan(frame.unit.bytes) == Self.scan(unit.bytes))
                #expect(Self.tables(frame.unit.bytes) == Self.tables(unit.bytes))
            }
        default:
            // Of AAC, FFmpeg leaves the last frame out.
            try #require(frames.count == recorded.units.count - (name == "aac" ? 1 : 0))
            #expect(frames.map(\.unit.partBytes) == Array(recorded.expectedParts.prefix(frames.count)))
            let times = frames.map(\.presentationTime)
            // Files count in other units than the clock does.
            for (time, unit) in zip(times, recorded.units) {
                #expect(abs((time - times[0]) - (unit.time - recorded.units[0].time)) <= 90)
            }
        }
        // PAY-60, PAY-61: of all codecs here only H.264 was encoded with pictures that overtake others.
        #expect(frames.allSatisfy { $0.decodingTime ?? .max <= $0.presentationTime })
        for (former, next) in zip(frames, frames.dropFirst()) {
            #expect(former.decodingTime ?? .max < next.decodingTime ?? .min)
        }
        #expect(frames.contains { $0.decodingTime != $0.presentationTime } == (["h264", "h265"].contains(name)))
        #expect(statistics.movedTimes == 0 && statistics.misordered == 0)
        #expect(frames.first?.unit.isKeyframe == true)
        if Self.video.contains(name), name != "mjpeg" { #expect(frames.count { $0.unit.isKeyframe } == 2) }
    }

    /// PAY-4: whatever is lost, every frame that is given out is one that was sent.
    @Test(arguments: video)
    func lossesTakeFramesAwayAndSpoilNone(_ name: String) throws {
        let recorded = try RecordedPackets(name)
        let whole = Set(assemble(recorded.packets, recorded.description).frames.map(\.unit.partBytes))
        var random = SplitMix64(seed: 4)
        for round in 0..<200 {
            let percent = 2 + round % 40
            let packets = recorded.packets.filter { _ in Int.random(in: 0..<100, using: &random) >= percent }
            let (frames, _) = assemble(packets, recorded.description, millisecondsBetween: 20)
            for frame in frames {
                let parts = frame.unit.partBytes
                if whole.contains(parts) { continue }
                // Delimiters and messages before the first slice may be missing, slices not.
                let isTail = whole.contains { $0.count > parts.count && Array($0.suffix(parts.count)) == parts }
                #expect(isTail && ["h264", "h265", "av1"].contains(name), "round \(round)")
            }
        }
    }

    @Test(arguments: names)
    func disorderIsPutRight(_ name: String) throws {
        let recorded = try RecordedPackets(name)
        var packets = recorded.packets
        for index in stride(from: 1, to: packets.count - 3, by: 4) { packets.swapAt(index, index + 2) }
        let straight = assemble(recorded.packets, recorded.description).frames
        let mixed = assemble(packets, recorded.description)
        #expect(mixed.frames.map(\.unit) == straight.map(\.unit))
        #expect(mixed.statistics.lost == 0)
        let twice = assemble(packets.flatMap { [$0, $0] }, recorded.description)
        #expect(twice.frames.map(\.unit) == straight.map(\.unit))
    }

    @Test(arguments: names)
    func hostileBytesNeverTrap(_ name: String) throws {
        let recorded = try RecordedPackets(name)
        var random = SplitMix64(seed: 9)
        for _ in 0..<300 {
            let packets = recorded.packets.map { packet in
                var packet = packet
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    let index = Int.random(in: 12..<packet.count, using: &random)
                    packet[index] = UInt8.random(in: 0...255, using: &random)
                }
                return Array(packet.prefix(Int.random(in: 12...packet.count, using: &random)))
            }
            for frame in assemble(packets, recorded.description).frames {
                for part in frame.unit.parts { #expect(part.upperBound <= frame.unit.bytes.count) }
            }
        }
    }

    private static func scan(_ bytes: [UInt8]) -> [UInt8] {
        guard let start = bytes.indices.dropLast().first(where: { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xDA }) else {
            return []
        }
        return Array(bytes[(start + 14)...])
    }

    /// Quantization tables, one after the other, however they are distributed over segments.
    private static func tables(_ bytes: [UInt8]) -> [UInt8] {
        var found: [UInt8] = []
        var offset = 2
        while offset + 4 <= bytes.count, bytes[offset] == 0xFF, bytes[offset + 1] != 0xDA {
            let end = offset + 2 + Int(bytes[offset + 2]) << 8 + Int(bytes[offset + 3])
            if bytes[offset + 1] == 0xDB, end <= bytes.count {
                for table in stride(from: offset + 4, to: end - 64, by: 65) { found += bytes[table + 1..<table + 65] }
            }
            offset = end
        }
        return found
    }
}
