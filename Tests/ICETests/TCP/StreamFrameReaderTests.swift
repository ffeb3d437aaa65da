import ICE
import TestKit
import Testing
import Wire

@Suite struct StreamFrameReaderTests {
    private static func framed(_ packets: [[UInt8]]) -> [UInt8] {
        packets.flatMap { packet in
            [UInt8(truncatingIfNeeded: packet.count >> 8), UInt8(truncatingIfNeeded: packet.count)] + packet
        }
    }

    /// The packets found when `stream` arrives in `pieces`.
    private static func read(_ pieces: [[UInt8]]) -> (packets: [[UInt8]], outcome: StreamFrameReader.Outcome) {
        var reader = StreamFrameReader()
        var packets: [[UInt8]] = []
        for piece in pieces {
            let outcome = piece.withBytes { bytes in
                reader.read(bytes) { packet in
                    packets.append(packet.array)
                    return true
                }
            }
            guard outcome == .more else { return (packets, outcome) }
        }
        return (packets, .more)
    }

    @Test func packetsAreFoundHoweverTheStreamIsCut() {
        var random = SplitMix64(seed: 9)
        for _ in 0..<300 {
            let packets = (0..<Int.random(in: 1...12, using: &random)).map { _ in
                (0..<Int.random(in: 1...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            }
            let stream = Self.framed(packets)
            var pieces: [[UInt8]] = []
            var offset = 0
            while offset < stream.count {
                let end = min(stream.count, offset + Int.random(in: 1...400, using: &random))
                pieces.append(Array(stream[offset..<end]))
                offset = end
            }
            let (found, outcome) = Self.read(pieces)
            #expect(found == packets)
            #expect(outcome == .more)
            #expect(Self.read(stream.map { [$0] }).packets == packets)
        }
    }

    @Test func emptyFramesArePassedOver() {
        let stream = [0, 0] + Self.framed([[1, 2]]) + [0, 0, 0, 0] + Self.framed([[3]])
        #expect(Self.read([stream]).packets == [[1, 2], [3]])
        #expect(Self.read(stream.map { [$0] }).packets == [[1, 2], [3]])
    }

    /// ICE-37: what could not be a packet is not waited for.
    @Test func tooLongAFrameIsRefusedByItsLength() {
        let limit = StreamFrameReader.maximumFrameSize
        let largest = [UInt8](repeating: 7, count: limit)
        #expect(Self.read([Self.framed([largest])]).packets == [largest])
        for length in [limit + 1, 4_096, 65_535] {
            let header = [UInt8(truncatingIfNeeded: length >> 8), UInt8(truncatingIfNeeded: length)]
            #expect(Self.read([Self.framed([[1]]) + header]) == ([[1]], .tooLong))
            #expect(Self.read([Self.framed([[1]]), [header[0]], [header[1]]]) == ([[1]], .tooLong))
        }
    }

    @Test func aReceiverMayStopInTheMiddle() {
        var reader = StreamFrameReader()
        var seen = 0
        let outcome = Self.framed([[1], [2], [3]]).withBytes { bytes in
            reader.read(bytes) { _ in
                seen += 1
                return seen < 2
            }
        }
        #expect(outcome == .stopped)
        #expect(seen == 2)
    }

    @Test func noMoreThanOneFrameIsKept() {
        var reader = StreamFrameReader()
        let beginning = Self.framed([[UInt8](repeating: 1, count: 2_000)]).dropLast()
        #expect(Array(beginning).withBytes { reader.read($0) { _ in true } } == .more)
        #expect(reader.pendingCount == beginning.count)
        #expect([1].withBytes { reader.read($0) { _ in true } } == .more)
        #expect(reader.pendingCount == 0)
    }
}

private func == (
    left: (packets: [[UInt8]], outcome: StreamFrameReader.Outcome),
    right: ([[UInt8]], StreamFrameReader.Outcome)
) -> Bool { left.packets == right.0 && left.outcome == right.1 }
