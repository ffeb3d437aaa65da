import Codecs
import RTP
import TestKit
import Testing
import Wire

/// Payload and marker.
typealias TestPayload = ([UInt8], Bool)

private let sps: [UInt8] = [0x67, 0x42, 0xC0, 0x1F, 1]
private let pps: [UInt8] = [0x68, 0xCE, 2]
private let sei: [UInt8] = [0x06, 5, 1, 3]
private let idr: [UInt8] = [0x65, 0x88, 4, 5, 6, 7]
private let slice: [UInt8] = [0x41, 0x9A, 8, 9]

/// What is written to a depacketizer packet by packet, all with one timestamp but where the payload is empty.
private func feed(
    _ depacketizer: inout some Depacketizer, _ payloads: [TestPayload]
) -> (units: [[[UInt8]]], errors: [DepacketizationError]) {
    var units: [AccessUnit] = []
    var errors: [DepacketizationError] = []
    var timestamp: UInt32 = 9_000
    for (payload, marker) in payloads {
        guard !payload.isEmpty else {
            timestamp += 3_600
            continue
        }
        do throws(DepacketizationError) {
            try payload.withBytes { (bytes: RawSpan) throws(DepacketizationError) in
                try depacketizer.receive(bytes, timestamp: timestamp, marker: marker, into: &units)
            }
        } catch {
            errors.append(error)
        }
    }
    return (units.map(\.partBytes), errors)
}

@Suite struct H264DepacketizerTests {
    static let table: [(name: String, payloads: [TestPayload], units: [[[UInt8]]], errors: [DepacketizationError])] = [
        ("PAY-1 single units", [(sps, false), (pps, false), (idr, true)], [[sps, pps, idr]], []),
        (
            "PAY-1 STAP-A", [([0x78, 0, 5] + sps + [0, 3] + pps, false), (idr, true)], [[sps, pps, idr]], []
        ),
        ("PAY-2 size zero and padding", [([0x78, 0, 0, 0, 6] + idr + [0], true)], [[idr]], []),
        ("PAY-2 size past the end", [([0x78, 0, 200] + idr, true)], [], [.truncated]),
        ("PAY-1 FU-A", [([0x7C, 0x85, 0x88, 4], false), ([0x7C, 0x45, 5, 6, 7], true)], [[idr]], []),
        ("PAY-3 start and end together", [([0x7C, 0xC5] + idr.dropFirst(), true)], [[idr]], []),
        ("PAY-3 no start", [([0x7C, 0x05, 1], false), ([0x7C, 0x45, 2], true)], [], []),
        (
            "PAY-3 no start, in a picture that was begun", [(slice, false), ([0x7C, 0x05, 1], true)], [],
            [.orphanedFragment]
        ),
        (
            "PAY-3 another type in the middle", [([0x7C, 0x85, 0x88], false), ([0x7C, 0x41, 2], true)], [], [.malformed]
        ),
        (
            "PAY-3 another start before the end",
            [([0x7C, 0x85, 0x80, 9], false), ([0x7C, 0x85, 0x88, 4], false), ([0x7C, 0x45, 5, 6, 7], true)], [[idr]],
            []
        ),
        ("PAY-3 no end", [([0x7C, 0x85, 0x88], false), ([], false), (slice, true)], [[slice]], []),
        (
            "PAY-5 no markers", [(sps, false), (idr, false), ([], false), (slice, false), ([], false), (slice, false)],
            [[sps, idr], [slice]], []
        ),
        (
            "PAY-5 a marker on everything", [(sps, true), (pps, true), (sei, true), (idr, true)],
            [[sps, pps, sei, idr]], []
        ),
        (
            "PAY-5 parameter sets with a time of their own", [(sps, true), (pps, true), ([], false), (idr, true)],
            [[sps, pps, idr]], []
        ),
        (
            "PAY-7 start codes inside a unit", [(sps + [0, 0, 0, 1] + pps + [0, 0, 1] + idr, true)], [[sps, pps, idr]],
            []
        ),
        ("PAY-7 a start code before the unit", [([0, 0, 0, 1] + idr, true)], [[idr]], []),
        (
            "PAY-7 start codes in fragments",
            [([0x7C, 0x87] + sps.dropFirst() + [0, 0], false), ([0x7C, 0x47, 0, 1] + idr, true)], [[sps, idr]], []
        ),
        ("PAY-1 STAP-B", [([0x79, 0, 0, 0, 6] + idr, true)], [], [.unsupported]),
        ("PAY-1 FU-B", [([0x7D, 0x85, 0, 0, 1], true)], [], [.unsupported]),
    ]

    @Test(arguments: table.indices)
    func payloadsBecomeUnits(_ index: Int) {
        let row = Self.table[index]
        var depacketizer = H264Depacketizer()
        // A picture before, so that the first one of the row is not the first after a loss.
        var result = feed(&depacketizer, [(slice, true), ([], false)] + row.payloads)
        #expect(result.units.first == [slice])
        result.units.removeFirst()
        #expect(result.units == row.units, "\(row.name)")
        #expect(result.errors == row.errors, "\(row.name)")
    }

    /// PAY-6: an endless fragment costs no more than the limit, and what follows it is whole again.
    @Test func endlessFragmentsAreGivenUp() {
        var depacketizer = H264Depacketizer(limits: DepacketizerLimits(bytes: 10_000, parts: 8))
        var payloads: [TestPayload] = [([0x7C, 0x85, 0x88], false)]
        payloads += Array(repeating: ([0x7C, 0x05] + Array(repeating: 7, count: 1_000), false), count: 100)
        payloads += [([], false), (idr, true)]
        let result = feed(&depacketizer, payloads)
        #expect(result.units == [[idr]])
        #expect(result.errors == [.tooLarge])
        #expect(depacketizer.droppedUnits == 1)

        let many = feed(&depacketizer, Array(repeating: (slice, false), count: 9) + [([], false), (idr, true)])
        #expect(many.units == [[idr]])
        #expect(many.errors == [.tooLarge])
    }

    @Test func afterALossAPictureHasToBegin() {
        var depacketizer = H264Depacketizer()
        // Joined in the middle: `first_mb_in_slice` is not 0.
        #expect(feed(&depacketizer, [([0x41, 0x1A, 1], true)]).units.isEmpty)
        _ = feed(&depacketizer, [(sps, false)])
        depacketizer.packetsLost()
        #expect(feed(&depacketizer, [(idr, true)]).units.isEmpty)
        #expect(feed(&depacketizer, [([], false), (idr, true)]).units == [[idr]])
    }
}

@Suite struct H265DepacketizerTests {
    static let vps: [UInt8] = [0x40, 1, 0x0C]
    static let sps: [UInt8] = [0x42, 1, 1, 2]
    static let idr: [UInt8] = [0x26, 1, 0xAF, 4, 5, 6]
    static let slice: [UInt8] = [0x02, 1, 0xD0, 7]

    static let table: [(name: String, payloads: [TestPayload], units: [[[UInt8]]], errors: [DepacketizationError])] = [
        ("PAY-20 single units", [(vps, false), (sps, false), (idr, true)], [[vps, sps, idr]], []),
        ("PAY-20 AP", [([0x60, 1, 0, 3] + vps + [0, 4] + sps, false), (idr, true)], [[vps, sps, idr]], []),
        ("PAY-20 AP past the end", [([0x60, 1, 0, 30] + vps, true)], [], [.truncated]),
        ("PAY-20 FU", [([0x62, 1, 0x93, 0xAF, 4], false), ([0x62, 1, 0x53, 5, 6], true)], [[idr]], []),
        ("PAY-3 start and end together", [([0x62, 1, 0xD3, 0xAF, 4, 5, 6], true)], [[idr]], []),
        (
            "PAY-3 another type in the middle", [([0x62, 1, 0x93, 0xAF], false), ([0x62, 1, 0x41, 5], true)], [],
            [.malformed]
        ),
        (
            "PAY-5 no markers", [(idr, false), ([], false), (slice, false), ([], false), (slice, false)],
            [[idr], [slice]], []
        ),
        ("PAY-5 a marker on everything", [(vps, true), (sps, true), (idr, true)], [[vps, sps, idr]], []),
        (
            "PAY-7 start codes inside a unit", [(vps + [0, 0, 0, 1] + sps + [0, 0, 1] + idr, true)], [[vps, sps, idr]],
            []
        ),
        ("PAY-20 PACI", [([0x64, 1, 0, 0, 1], true)], [], [.unsupported]),
    ]

    @Test(arguments: table.indices)
    func payloadsBecomeUnits(_ index: Int) {
        let row = Self.table[index]
        var depacketizer = H265Depacketizer()
        var result = feed(&depacketizer, [(Self.slice, true), ([], false)] + row.payloads)
        #expect(result.units.first == [Self.slice])
        result.units.removeFirst()
        #expect(result.units == row.units, "\(row.name)")
        #expect(result.errors == row.errors, "\(row.name)")
    }

    /// PAY-20: decoding order numbers stand there only when they were announced.
    @Test func orderNumbersArePassedOver() {
        var depacketizer = H265Depacketizer(hasOrderNumbers: true)
        let single: [UInt8] = [0x26, 1, 0, 9, 0xAF, 4, 5, 6]
        let aggregate: [UInt8] = [0x60, 1, 0, 7, 0, 3] + Self.vps + [0, 0, 4] + Self.sps
        let fragments: [TestPayload] = [([0x62, 1, 0x93, 0, 8, 0xAF, 4], false), ([0x62, 1, 0x53, 5, 6], true)]
        let result = feed(&depacketizer, [(single, true), ([], false), (aggregate, false)] + fragments)
        #expect(result.units == [[Self.idr], [Self.vps, Self.sps, Self.idr]])
        #expect(result.errors.isEmpty)
    }
}
