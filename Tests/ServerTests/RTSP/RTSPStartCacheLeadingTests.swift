import Codecs
import RTP
import TestKit
import Testing
import Wire

@testable import Server

/// What a reader that begins at a CRA picture of H.265 gets (PAY-21): none of the pictures that refer to what came before it,
/// and no gap in the numbers where they were.
@Suite struct RTSPStartCacheLeadingTests {
    /// NAL unit types.
    private enum Unit: UInt8 {
        case trailing = 1
        case decodable = 6
        case skipped = 8
        case idr = 19
        case cra = 21
        case parameters = 32
        case message = 39
    }

    /// A camera that sends each picture in so many packets, in decoding order.
    private struct Camera {
        var cache = RTSPStartCache(isH265: true)
        var number: UInt16 = 65_533
        var sent: [UInt16] = []

        /// - Parameter shown: the picture's time, in frames.
        mutating func send(_ units: [Unit], shown: UInt32) {
            for (index, unit) in units.enumerated() {
                let isFirstSlice = !units[..<index].contains(unit)
                var packet: [UInt8] = [0x80, 96]
                packet.append(bigEndian: number)
                packet.append(bigEndian: 1_600 * shown)
                packet.append(bigEndian: UInt32(7))
                packet += [unit.rawValue << 1, 1, isFirstSlice ? 0x80 : 0, 0]
                let starts = Array(packet[12...]).withBytes {
                    PayloadInspector.inspect($0, codec: .h265).isKeyframeStart
                }
                packet.withBytes { cache.append($0, payload: 12..<$0.byteCount, startsKeyframe: starts) }
                number &+= 1
            }
        }

        /// What a reader that begins now is sent: numbers and types.
        mutating func start() -> [(number: UInt16, unit: Unit?)] {
            var packets: [(UInt16, Unit?)] = []
            cache.lendEach { packets.append(($0.integer(at: 2) ?? 0, Unit(rawValue: $0[12] >> 1))) }
            return packets
        }
    }

    private static func steps(_ numbers: [UInt16]) -> [UInt16] { zip(numbers, numbers.dropFirst()).map { $1 &- $0 } }

    @Test func picturesThatReferToEarlierOnesAreLeftOutWithoutAGap() {
        var camera = Camera()
        camera.send([.parameters, .cra, .cra], shown: 4)
        #expect(!camera.cache.canBegin, "what follows is not known")
        camera.send([.message, .skipped, .skipped], shown: 2)
        camera.send([.decodable], shown: 3)
        camera.send([.skipped, .message, .skipped], shown: 1)
        #expect(!camera.cache.canBegin)
        camera.send([.trailing], shown: 8)
        camera.send([.skipped], shown: 9)
        let start = camera.start()
        #expect(start.map(\.unit) == [.parameters, .cra, .cra, .decodable, .trailing, .skipped])
        #expect(Self.steps(start.map(\.number)).allSatisfy { $0 == 1 })
        #expect(start.last?.number == camera.number &- 1, "the next packet follows")
        #expect(camera.cache.first?.sequenceNumber == start.first?.number)
        #expect(camera.cache.packetCount == start.count)
    }

    /// The pictures behind the next keyframe are of use to who has what came before it.
    @Test func aReaderThatBeganEarlierGetsThemAll() throws {
        var camera = Camera()
        camera.send([.cra], shown: 1)
        camera.send([.skipped], shown: 0)
        camera.send([.trailing], shown: 2)
        var cursor = try #require(camera.cache.begin())
        camera.cache.need(from: cursor.position)
        camera.send([.cra], shown: 5)
        camera.send([.skipped], shown: 4)
        camera.send([.trailing], shown: 6)
        var packets: [(UInt16, UInt8)] = []
        while camera.cache.lendNext(&cursor, { packets.append(($0.integer(at: 2) ?? 0, $0[12] >> 1)) }) {}
        #expect(packets.map(\.1) == [21, 1, 21, 8, 1])
        #expect(Self.steps(packets.map(\.0)).allSatisfy { $0 == 1 })
    }

    @Test func nothingIsWaitedForBehindAnIDRPicture() {
        var camera = Camera()
        camera.send([.parameters], shown: 4)
        #expect(!camera.cache.canBegin, "parameter sets do not tell of which picture they are")
        camera.send([.idr], shown: 4)
        #expect(camera.cache.canBegin)
        camera.send([.decodable], shown: 3)
        #expect(camera.start().map(\.unit) == [.parameters, .idr, .decodable])
    }

    /// Neither encoders that make nothing but CRA pictures keep readers waiting, nor those with leading pictures alone
    /// between them.
    @Test(arguments: [0, 3])
    func aSecondRandomAccessPictureEndsTheWait(_ leading: UInt32) {
        var camera = Camera()
        for round in 0..<4 as Range<UInt32> {
            let shown = 4 * round + 4
            camera.send([.cra], shown: shown)
            for index in 0..<leading { camera.send([.skipped], shown: shown - 3 + index) }
            #expect(camera.cache.canBegin == !round.isMultiple(of: 2), "round \(round)")
        }
        let units = camera.start().map(\.unit)
        #expect(units == [.cra, .cra] + Array(repeating: .skipped, count: Int(leading)))
    }
}
