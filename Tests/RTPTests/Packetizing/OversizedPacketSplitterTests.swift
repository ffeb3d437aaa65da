import Codecs
import RTP
import TestKit
import Testing
import Wire

/// RTSP-30: what is too large for a datagram is cut, and everybody's numbers stay without gaps.
@Suite struct OversizedPacketSplitterTests {
    static let maximumSize = 300

    private func split(
        _ packets: [[UInt8]], _ description: PayloadDescription, maximumSize: Int = maximumSize
    ) -> (packets: [[UInt8]], statistics: OversizedPacketSplitter.Statistics) {
        var splitter = OversizedPacketSplitter(description, maximumSize: maximumSize)
        var made: [[UInt8]] = []
        for packet in packets {
            packet.withBytes { bytes in
                guard let header = try? RTPHeader(parsing: bytes) else { return }
                splitter.receive(bytes, header: header) { bytes, header in
                    // The header is what counts: bytes that only have another number are those that came.
                    var packet = bytes.array
                    packet.set(bigEndian: header.sequenceNumber, at: 2)
                    #expect(packet.rtpHeader == header)
                    made.append(packet)
                }
            }
        }
        return (made, splitter.statistics)
    }

    private func steps(_ packets: [[UInt8]]) -> [UInt16] {
        let numbers = packets.compactMap { $0.rtpHeader?.sequenceNumber }
        return zip(numbers, numbers.dropFirst()).map { $1 &- $0 }
    }

    @Test(arguments: RecordedPacketsTests.names)
    func whatFitsPassesAsItCame(_ name: String) throws {
        let recorded = try RecordedPackets(name)
        let (packets, statistics) = split(recorded.packets, recorded.description, maximumSize: 1_400)
        #expect(packets == recorded.packets)
        #expect(statistics == OversizedPacketSplitter.Statistics())
    }

    /// What comes out of the pieces is what would have come out of the packets.
    @Test(arguments: RecordedPacketsTests.names.filter { $0 != "opus" })
    func cutPacketsHoldTheSame(_ name: String) throws {
        let recorded = try RecordedPackets(name)
        let (packets, statistics) = split(recorded.packets, recorded.description)
        #expect(packets.allSatisfy { $0.count <= Self.maximumSize })
        #expect(steps(packets).allSatisfy { $0 == 1 })
        #expect(statistics.oversized > 0 && statistics.uncut == 0)
        let before = assemble(recorded.packets, recorded.description)
        let after = assemble(packets, recorded.description)
        #expect(after.statistics.malformed == 0)
        if ["g722", "l16"].contains(name) {
            #expect(after.frames.flatMap(\.unit.bytes) == before.frames.flatMap(\.unit.bytes))
        } else {
            #expect(after.frames.map(\.unit) == before.frames.map(\.unit))
        }
        let markers = packets.count { $0.rtpHeader?.marker == true }
        #expect(markers == recorded.packets.count { $0.rtpHeader?.marker == true })
    }

    /// Losses before the cut stay losses behind it.
    @Test(arguments: RecordedPacketsTests.video)
    func lossesStayGaps(_ name: String) throws {
        let recorded = try RecordedPackets(name)
        let whole = Set(assemble(recorded.packets, recorded.description).frames.map(\.unit.partBytes))
        var random = SplitMix64(seed: 30)
        for _ in 0..<50 {
            let packets = recorded.packets.filter { _ in Int.random(in: 0..<100, using: &random) >= 10 }
            let cut = split(packets, recorded.description).packets
            #expect(steps(cut).allSatisfy { (1...20).contains($0) })
            for frame in assemble(cut, recorded.description, millisecondsBetween: 20).frames {
                let parts = frame.unit.partBytes
                let isKnown = whole.contains { $0.count >= parts.count && Array($0.suffix(parts.count)) == parts }
                #expect(isKnown)
            }
        }
    }

    /// FFmpeg over TCP: a NAL unit of 60 kB in one packet, and a STAP-A that is too large.
    @Test func unitsAndAggregatesAreCut() throws {
        let sps = [0x67] + [UInt8](repeating: 1, count: 200)
        let idr = [0x65, 0x88] + (0..<60_000).map { UInt8(truncatingIfNeeded: $0) | 1 }
        var aggregate: [UInt8] = [0x78]
        for unit in [sps, sps, sps] {
            aggregate.append(bigEndian: UInt16(unit.count))
            aggregate += unit
        }
        let description = PayloadDescription(codec: .h264, encodingName: "H264", clockRate: 90_000, channels: 1) { _ in
            nil
        }
        let packets = [(aggregate, false), (idr, true), ([0x41, 0x9A], true)].enumerated().map { index, payload in
            packet(
                payload.0, number: UInt16(truncatingIfNeeded: 65_534 + index), timestamp: index == 2 ? 2 : 1,
                marker: payload.1)
        }
        let (made, statistics) = split(packets, description, maximumSize: 1_400)
        #expect(made.allSatisfy { $0.count <= 1_400 })
        #expect(steps(made).allSatisfy { $0 == 1 })
        #expect(statistics.oversized == 1)
        #expect(made.filter { $0.rtpHeader?.marker == true }.count == 2)
        let frames = assemble(made, description).frames
        #expect(frames.map(\.unit.partBytes) == [[sps, sps, sps, idr], [[0x41, 0x9A]]])
        let small = split([packets[0]], description, maximumSize: 220)
        #expect(small.packets.map { Array($0[12...]) } == [sps, sps, sps])
    }

    /// Packets that are a little too large do not become twice as many.
    @Test func fragmentsArePutTogetherAnew() throws {
        let data = (0..<146_000).map { UInt8(truncatingIfNeeded: $0 / 7) | 2 }
        let fragments = 100
        let packets = (0..<fragments).map { index in
            let flags: UInt8 = index == 0 ? 0x80 : index == fragments - 1 ? 0x40 : 0
            return packet(
                [0x7C, flags | 5] + data[index * 1_458..<index * 1_458 + 1_458], number: UInt16(index), timestamp: 1,
                marker: index == fragments - 1)
        }
        let description = PayloadDescription(codec: .h264, encodingName: "H264", clockRate: 90_000, channels: 1) { _ in
            nil
        }
        let (made, _) = split(packets, description, maximumSize: 1_400)
        #expect(made.count == (fragments * 1_458 + 1_385) / 1_386)
        #expect(steps(made).allSatisfy { $0 == 1 })
        let units = made.map { $0[13] }
        #expect(units.first == 0x85 && units.last == 0x45)
        #expect(units.dropFirst().dropLast().allSatisfy { $0 == 0x05 })
        #expect(made.flatMap { $0[14...] } == Array(data[..<(fragments * 1_458)]))
    }

    /// Packets that were overtaken get the numbers that were left free for them.
    @Test func latePacketsFindTheirPlaces() throws {
        let description = PayloadDescription(codec: .vp8, encodingName: "VP8", clockRate: 90_000, channels: 1) { _ in
            nil
        }
        let large = [UInt8](repeating: 7, count: 500)
        let order = [0, 1, 3, 2, 4, 6, 5, 7]
        let packets = order.map { number in
            packet(
                [0x10] + (number % 3 == 1 ? large : [1, 2]), number: UInt16(number), timestamp: UInt32(number),
                marker: true)
        }
        let (made, statistics) = split(packets, description)
        #expect(statistics.uncut == 0)
        let numbers = made.compactMap { $0.rtpHeader?.sequenceNumber }
        #expect(numbers == [0, 1, 2, 4, 3, 5, 6, 8, 7, 9, 10])
    }

    private static var h264: PayloadDescription {
        PayloadDescription(codec: .h264, encodingName: "H264", clockRate: 90_000, channels: 1) { _ in nil }
    }

    /// PAY-7: byte stream format where one unit should be.
    @Test func startCodesAreTakenOutOfPackets() {
        let (sps, pps, idr): ([UInt8], [UInt8], [UInt8]) = ([0x67, 0x42, 1], [0x68, 0xCE], [0x65, 0x88, 4, 5, 6, 7])
        let whole = sps + [0, 0, 0, 1] + pps + [0, 0, 1] + idr
        let packets = [
            packet(whole, number: 1, timestamp: 1, marker: true),
            packet([0, 0, 0, 1] + idr, number: 2, timestamp: 2, marker: true),
            // The same in fragments, which go on under the first unit's type.
            packet([0x7C, 0x87] + whole[1..<14], number: 3, timestamp: 3, marker: false),
            packet([0x7C, 0x07] + whole[14..<16], number: 4, timestamp: 3, marker: false),
            packet([0x7C, 0x47] + whole[16...], number: 5, timestamp: 3, marker: true),
            packet([0x41, 0x9A], number: 6, timestamp: 4, marker: true),
        ]
        let (made, _) = split(packets, Self.h264)
        #expect(steps(made).allSatisfy { $0 == 1 })
        #expect(made.map { Array($0[12...]) } == [sps, pps, idr, idr, sps, pps, idr, [0x41, 0x9A]])
        #expect(made.map { $0.rtpHeader?.marker ?? false } == [false, false, true, true, false, false, true, true])
    }

    /// PAY-3: a fragment that begins and ends its unit is that unit.
    @Test func fragmentsThatAreWholeUnitsBecomeUnits() {
        let (made, _) = split([packet([0x7C, 0xC5, 0x88, 4], number: 1, timestamp: 1, marker: true)], Self.h264)
        #expect(made.map { Array($0[12...]) } == [[0x65, 0x88, 4]])
        #expect(made.first?.rtpHeader?.marker == true)
    }

    @Test func whatNobodyKnowsPasses() {
        let description = PayloadDescription(
            codec: .otherVideo, encodingName: "X-UNKNOWN", clockRate: 90_000, channels: 1
        ) { _ in nil }
        let packets = (0..<3).map {
            packet([UInt8](repeating: 7, count: 500), number: UInt16($0), timestamp: 0, marker: true)
        }
        let (made, statistics) = split(packets, description)
        #expect(made == packets)
        #expect(statistics.uncut == 3)
    }

    @Test(arguments: RecordedPacketsTests.names)
    func hostileBytesNeverTrap(_ name: String) throws {
        let recorded = try RecordedPackets(name)
        var random = SplitMix64(seed: 31)
        for _ in 0..<100 {
            let packets = recorded.packets.map { packet in
                var packet = packet
                packet[Int.random(in: 12..<packet.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                return packet
            }
            _ = split(packets, recorded.description)
        }
    }

    private func packet(_ payload: [UInt8], number: UInt16, timestamp: UInt32, marker: Bool) -> [UInt8] {
        written(capacity: 12 + payload.count) { output in
            RTPHeader.append(
                payloadType: 96, marker: marker, sequenceNumber: number, timestamp: timestamp, ssrc: 1,
                hasExtension: false, to: &output)
            payload.withBytes { output.append(contentsOf: $0) }
        }
    }
}
