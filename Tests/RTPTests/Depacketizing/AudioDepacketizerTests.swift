import Codecs
import RTP
import TestKit
import Testing
import Wire

private func feed(
    _ depacketizer: inout some Depacketizer, _ packets: [(payload: [UInt8], timestamp: UInt32, marker: Bool)]
) -> (units: [(bytes: [UInt8], timestamp: UInt32, configuration: [UInt8])], errors: [DepacketizationError]) {
    var units: [AccessUnit] = []
    var errors: [DepacketizationError] = []
    for packet in packets {
        do throws(DepacketizationError) {
            try packet.payload.withBytes { (bytes: RawSpan) throws(DepacketizationError) in
                try depacketizer.receive(bytes, timestamp: packet.timestamp, marker: packet.marker, into: &units)
            }
        } catch {
            errors.append(error)
        }
    }
    return (units.map { (Array($0.partBytes.joined()), $0.timestamp, $0.configuration) }, errors)
}

@Suite struct AACDepacketizerTests {
    /// An AU-headers section of the mode AAC-hbr.
    static func headers(_ sizes: [Int], index: UInt16 = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: UInt16(16 * sizes.count))
        for size in sizes { bytes.append(bigEndian: UInt16(size) << 3 | index) }
        return bytes
    }

    @Test func severalUnitsOfAPacketFollowEachOther() {
        var depacketizer = AACDepacketizer(AACDepacketizer.Layout())
        let result = feed(&depacketizer, [(Self.headers([2, 3]) + [1, 2, 3, 4, 5], 1_000, true)])
        #expect(result.units.map(\.bytes) == [[1, 2], [3, 4, 5]])
        #expect(result.units.map(\.timestamp) == [1_000, 2_024])
    }

    @Test func fragmentsBecomeOneUnit() {
        var depacketizer = AACDepacketizer(AACDepacketizer.Layout())
        let packets: [([UInt8], UInt32, Bool)] = [
            (Self.headers([5]) + [1, 2], 1_000, false), (Self.headers([5]) + [3], 1_000, false),
            (Self.headers([5]) + [4, 5], 1_000, true), (Self.headers([1]) + [6], 2_024, true),
        ]
        #expect(feed(&depacketizer, packets).units.map(\.bytes) == [[1, 2, 3, 4, 5], [6]])
        // The middle is missing: nothing of it comes out.
        _ = feed(&depacketizer, [packets[0]])
        depacketizer.packetsLost()
        let rest = feed(&depacketizer, [packets[2], packets[3]])
        #expect(rest.units.map(\.bytes) == [[6]])
        #expect(depacketizer.droppedUnits == 2)
    }

    @Test func interleavingIsRefused() {
        var depacketizer = AACDepacketizer(AACDepacketizer.Layout())
        #expect(feed(&depacketizer, [(Self.headers([1, 1], index: 1) + [1, 2], 0, true)]).errors == [.unsupported])
    }

    @Test(
        arguments: [
            ("nothing", [], .truncated), ("headers past the end", [0, 200, 1], .truncated),
            ("no header", [0, 0, 1, 2], .malformed),
            ("several units past the end", headers([2, 9]) + [1, 2, 3], .truncated),
        ] as [(String, [UInt8], DepacketizationError)])
    func faultsAreTold(_ name: String, _ payload: [UInt8], _ error: DepacketizationError) {
        var depacketizer = AACDepacketizer(AACDepacketizer.Layout())
        #expect(feed(&depacketizer, [(payload, 0, true)]).errors == [error])
    }

    @Test func layoutsAreRead() throws {
        func layout(_ parameters: [String: String], clockRate: UInt32 = 48_000) -> AACDepacketizer.Layout? {
            AACDepacketizer.Layout(clockRate: clockRate) { parameters[$0] }
        }
        let high = ["sizelength": "13", "indexlength": "3", "indexdeltalength": "3", "config": "1190"]
        #expect(layout(high)?.ticks(ofUnits: 1) == 1_024)
        // HE-AAC: the clock counts what the decoder puts out.
        #expect(layout(high.merging(["config": "131056e598"]) { $1 })?.ticks(ofUnits: 1) == 2_048)
        #expect(layout(high.merging(["constantduration": "960"]) { $1 })?.ticks(ofUnits: 1) == 960)
        // Several units' lengths are rounded once, together (PAY-63).
        let other = high.merging(["config": "1210"]) { $1 }
        #expect(layout(other, clockRate: 90_000)?.ticks(ofUnits: 1_000) == 2_089_795)
        #expect(layout(["sizelength": "6", "indexlength": "2", "indexdeltalength": "2"])?.sizeLength == 6)
        #expect(layout(["constantsize": "8"])?.constantSize == 8)
        for bad in [["sizelength": "99"], ["sizelength": "x"], [:], high.merging(["ctsdeltalength": "8"]) { $1 }] {
            #expect(layout(bad) == nil)
        }
        var low = AACDepacketizer(
            try #require(layout(["sizelength": "6", "indexlength": "2", "indexdeltalength": "2"])))
        #expect(feed(&low, [([0, 16, 2 << 2, 1 << 2, 7, 8, 9], 0, true)]).units.map(\.bytes) == [[7, 8], [9]])
        var constant = AACDepacketizer(try #require(layout(["constantsize": "2"])))
        #expect(feed(&constant, [([1, 2, 3, 4], 0, true)]).units.map(\.bytes) == [[1, 2], [3, 4]])
    }
}

@Suite struct OtherAudioDepacketizerTests {
    /// PAY-42: with the configuration in band, nothing begins at a byte boundary.
    @Test func configurationsInBandAreRead() {
        let first = audioMuxElement([0xAB, 0xCD, 0xEF], rateIndex: 3)
        let same = audioMuxElement([0x12, 0x34])
        var depacketizer = LATMDepacketizer(clockRate: 48_000, configuration: nil, isInBand: true)
        #expect(feed(&depacketizer, [(same, 0, true)]).units.isEmpty, "nothing says how to decode it")
        let result = feed(&depacketizer, [(first, 0, true), (same, 1_024, true)])
        #expect(result.units.map(\.bytes) == [[0xAB, 0xCD, 0xEF], [0x12, 0x34]])
        #expect(result.units.map(\.configuration) == [[0x11, 0x90], [0x11, 0x90]])
        let another = feed(&depacketizer, [(audioMuxElement([1], rateIndex: 4), 2_048, true), (same, 3_072, true)])
        #expect(another.units.map(\.configuration) == [[0x12, 0x10], [0x12, 0x10]])
        _ = feed(&depacketizer, [(first, 1_024, true)])

        // In fragments, and with one missing.
        let cut = first.count / 2
        let halves = [(Array(first[..<cut]), UInt32(2_048), false), (Array(first[cut...]), UInt32(2_048), true)]
        #expect(feed(&depacketizer, halves).units.map(\.bytes) == [[0xAB, 0xCD, 0xEF]])
        _ = feed(&depacketizer, [halves[0]])
        depacketizer.packetsLost()
        #expect(feed(&depacketizer, [halves[1]]).units.isEmpty)
    }

    @Test func lengthsOf255GoOn() {
        let frame = [UInt8](repeating: 5, count: 600)
        let payload = [255, 255, 90] + frame
        var depacketizer = LATMDepacketizer(clockRate: 48_000) { ["cpresent": "0", "config": "400023103fc0"][$0] }
        #expect(feed(&depacketizer, [(payload, 0, true)]).units.map(\.bytes) == [frame])
        #expect(feed(&depacketizer, [(Array(payload.dropLast()), 1, true)]).errors == [.truncated])
    }

    @Test func plainPayloadsAreChecked() {
        var opus = PlainDepacketizer(.opus)
        #expect(feed(&opus, [([0xFC, 1], 0, true)]).errors.isEmpty)
        // 3 × 60 ms.
        #expect(feed(&opus, [([0x1B, 3, 1], 0, true)]).errors == [.malformed])
        var linear = PlainDepacketizer(.blocks(ofBytes: 4))
        #expect(feed(&linear, [([1, 2, 3, 4, 5, 6, 7, 8], 0, true)]).units.count == 1)
        #expect(feed(&linear, [([1, 2, 3], 0, true)]).errors == [.malformed])
    }

    /// 48 kHz, 192 kbit/s: 768 bytes.
    static let ac3: [UInt8] = [0x0B, 0x77, 0, 0, 0x14, 0x40] + Array(repeating: 7, count: 762)

    @Test func ac3FramesAndFragmentsAreTaken() {
        var depacketizer = AC3Depacketizer(clockRate: 48_000, isEnhanced: false)
        let two = feed(&depacketizer, [([0, 2] + Self.ac3 + Self.ac3, 100, true)])
        #expect(two.units.map(\.bytes) == [Self.ac3, Self.ac3])
        #expect(two.units.map(\.timestamp) == [100, 1_636])
        let fragments: [([UInt8], UInt32, Bool)] = [
            ([1, 2] + Self.ac3[..<500], 200, false), ([3, 2] + Self.ac3[500...], 200, true),
        ]
        #expect(feed(&depacketizer, fragments).units.map(\.bytes) == [Self.ac3])
        #expect(feed(&depacketizer, [fragments[1]]).errors == [.orphanedFragment])
        #expect(feed(&depacketizer, [([0, 1] + Self.ac3.dropLast(), 0, true)]).errors == [.truncated])
    }

    @Test func enhancedAC3KeepsItsSubstreamsTogether() {
        // 48 kHz, six blocks, 32 bytes; the second depends on the first.
        let independent: [UInt8] = [0x0B, 0x77, 0x00, 15, 0x34, 0x80] + Array(repeating: 1, count: 26)
        let dependent: [UInt8] = [0x0B, 0x77, 0x40, 15, 0x34, 0x80] + Array(repeating: 2, count: 26)
        var depacketizer = AC3Depacketizer(clockRate: 48_000, isEnhanced: true)
        let result = feed(&depacketizer, [([0, 2] + independent + dependent + independent, 0, true)])
        #expect(result.units.map(\.bytes) == [independent + dependent, independent])
        #expect(result.units.map(\.timestamp) == [0, 1_536])
        let fragments: [([UInt8], UInt32, Bool)] = [
            ([1, 2] + independent[..<20], 0, false), ([1, 2] + independent[20...], 0, true),
        ]
        #expect(feed(&depacketizer, fragments).units.map(\.bytes) == [independent])
    }
}
