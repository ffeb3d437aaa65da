import Codecs
import RTP
import TestKit
import Testing
import Wire

/// Payload and marker.
typealias TestPayload = ([UInt8], Bool)

private struct Row: Sendable {
    var name: String
    var payloads: [TestPayload]
    var units: [[[UInt8]]]
    var errors: [DepacketizationError]

    init(
        _ name: String, _ payloads: [TestPayload], _ units: [[[UInt8]]], _ errors: [DepacketizationError]
    ) {
        self.name = name
        self.payloads = payloads
        self.units = units
        self.errors = errors
    }
}

private func p(_ payload: [UInt8], _ marker: Bool) -> TestPayload { (payload, marker) }

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
    private static let table: [Row] = [
        Row("PAY-1 single units", [p(sps, false), p(pps, false), p(idr, true)], [[sps, pps, idr]], []),
        Row(
            "PAY-1 STAP-A", [p([0x78, 0, 5] + sps + [0, 3] + pps, false), p(idr, true)], [[sps, pps, idr]], []
        ),
        Row("PAY-2 size zero and padding", [p([0x78, 0, 0, 0, 6] + idr + [0], true)], [[idr]], []),
        Row("PAY-2 size past the end", [p([0x78, 0, 200] + idr, true)], [], [.truncated]),
        Row("PAY-1 FU-A", [p([0x7C, 0x85, 0x88, 4], false), p([0x7C, 0x45, 5, 6, 7], true)], [[idr]], []),
        Row("PAY-3 start and end together", [p([0x7C, 0xC5] + idr[1...], true)], [[idr]], []),
        Row("PAY-3 no start", [p([0x7C, 0x05, 1], false), p([0x7C, 0x45, 2], true)], [], [.orphanedFragment]),
        Row(
            "PAY-3 no start, in a picture that was begun", [p(slice, false), p([0x7C, 0x05, 1], true)], [],
            [.orphanedFragment]
        ),
        Row(
            "PAY-3 another type in the middle", [p([0x7C, 0x85, 0x88], false), p([0x7C, 0x41, 2], true)], [],
            [.malformed]
        ),
        Row(
            "PAY-3 another start before the end",
            [p([0x7C, 0x85, 0x80, 9], false), p([0x7C, 0x85, 0x88, 4], false), p([0x7C, 0x45, 5, 6, 7], true)], [[idr]],
            []
        ),
        Row("PAY-3 no end", [p([0x7C, 0x85, 0x88], false), p([], false), p(slice, true)], [[slice]], []),
        Row(
            "PAY-5 no markers",
            [p(sps, false), p(idr, false), p([], false), p(slice, false), p([], false), p(slice, false)],
            [[sps, idr], [slice]], []
        ),
        Row(
            "PAY-5 a marker on everything", [p(sps, true), p(pps, true), p(sei, true), p(idr, true)],
            [[sps, pps, sei, idr]], []
        ),
        Row(
            "PAY-5 parameter sets with a time of their own", [p(sps, true), p(pps, true), p([], false), p(idr, true)],
            [[sps, pps, idr]], []
        ),
        Row(
            "PAY-7 start codes inside a unit", [p(sps + [0, 0, 0, 1] + pps + [0, 0, 1] + idr, true)],
            [[sps, pps, idr]],
            []
        ),
        Row("PAY-7 a start code before the unit", [p([0, 0, 0, 1] + idr, true)], [[idr]], []),
        Row(
            "PAY-7 start codes in fragments",
            [p([0x7C, 0x87] + sps[1...] + [0, 0], false), p([0x7C, 0x47, 0, 1] + idr, true)], [[sps, idr]], []
        ),
        Row("PAY-1 STAP-B", [p([0x79, 0, 0, 0, 6] + idr, true)], [], [.unsupported]),
        Row("PAY-1 FU-B", [p([0x7D, 0x85, 0, 0, 1], true)], [], [.unsupported]),
    ]

    @Test(arguments: table.indices)
    func payloadsBecomeUnits(_ index: Int) {
        let row = Self.table[index]
        var depacketizer = H264Depacketizer()
        // A picture before, so that the first one of the row is not the first after a loss.
        let before = [p(slice, true), p([], false)]
        var result = feed(&depacketizer, before + row.payloads)
        #expect(result.units.first == [slice])
        result.units.removeFirst()
        #expect(result.units == row.units, "\(row.name)")
        #expect(result.errors == row.errors, "\(row.name)")
    }

    /// PAY-6: an endless fragment costs no more than the limit, and what follows it is whole again.
    @Test func endlessFragmentsAreGivenUp() {
        var depacketizer = H264Depacketizer(limits: DepacketizerLimits(bytes: 10_000, parts: 8))
        var payloads: [TestPayload] = [([0x7C, 0x85, 0x88], false)]
        let middle: [UInt8] = [0x7C, 0x05] + [UInt8](repeating: 7, count: 1_000)
        for _ in 0..<100 { payloads.append(p(middle, false)) }
        payloads += [p([], false), p(idr, true)]
        let result = feed(&depacketizer, payloads)
        #expect(result.units == [[idr]])
        #expect(result.errors == [.tooLarge])
        #expect(depacketizer.droppedUnits == 1)

        var slices = [TestPayload](repeating: p(slice, false), count: 9)
        slices += [p([], false), p(idr, true)]
        let many = feed(&depacketizer, slices)
        #expect(many.units == [[idr]])
        #expect(many.errors == [.tooLarge])
    }

    /// PAY-12: streams with intra refresh have no keyframes but the first.
    @Test func recoveryPointsAreTold() throws {
        let recovery: [UInt8] = [0x06, 6, 1, 0x84, 0x80]
        var depacketizer = H264Depacketizer()
        var units: [AccessUnit] = []
        for (timestamp, parts) in [[sps, pps, recovery, slice], [sei, slice], [idr]].enumerated() {
            for (index, part) in parts.enumerated() {
                try part.withBytes { (bytes: RawSpan) throws(DepacketizationError) in
                    try depacketizer.receive(
                        bytes, timestamp: UInt32(timestamp), marker: index == parts.count - 1, into: &units)
                }
            }
        }
        #expect(units.map(\.isRecoveryPoint) == [true, false, false])
        #expect(units.map(\.isKeyframe) == [false, false, true])

        var other = H265Depacketizer()
        units = []
        for (index, part) in [[0x4E, 1, 6, 1, 0x50, 0x80], H265DepacketizerTests.slice].enumerated() {
            try part.withBytes { (bytes: RawSpan) throws(DepacketizationError) in
                try other.receive(bytes, timestamp: 1, marker: index == 1, into: &units)
            }
        }
        #expect(units.map(\.isRecoveryPoint) == [true])
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
    static let endOfSequence: [UInt8] = [0x48, 1]
    static let endOfBitstream: [UInt8] = [0x4A, 1]

    private static let table: [Row] = [
        Row("PAY-20 single units", [p(vps, false), p(sps, false), p(idr, true)], [[vps, sps, idr]], []),
        Row("PAY-20 AP", [p([0x60, 1, 0, 3] + vps + [0, 4] + sps, false), p(idr, true)], [[vps, sps, idr]], []),
        Row("PAY-20 AP past the end", [p([0x60, 1, 0, 30] + vps, true)], [], [.truncated]),
        Row("PAY-20 FU", [p([0x62, 1, 0x93, 0xAF, 4], false), p([0x62, 1, 0x53, 5, 6], true)], [[idr]], []),
        Row("PAY-3 start and end together", [p([0x62, 1, 0xD3, 0xAF, 4, 5, 6], true)], [[idr]], []),
        Row(
            "PAY-3 another type in the middle", [p([0x62, 1, 0x93, 0xAF], false), p([0x62, 1, 0x41, 5], true)], [],
            [.malformed]
        ),
        Row(
            "PAY-5 no markers", [p(idr, false), p([], false), p(slice, false), p([], false), p(slice, false)],
            [[idr], [slice]], []
        ),
        Row("PAY-5 a marker on everything", [p(vps, true), p(sps, true), p(idr, true)], [[vps, sps, idr]], []),
        Row(
            "PAY-7 start codes inside a unit", [p(vps + [0, 0, 0, 1] + sps + [0, 0, 1] + idr, true)],
            [[vps, sps, idr]],
            []
        ),
        Row(
            "PAY-20 the end of a sequence is a header alone", [p(idr, false), p(endOfSequence, true)],
            [[idr, endOfSequence]], []
        ),
        Row(
            "PAY-20 the end of a bitstream behind the marker",
            [p(idr, true), p(endOfBitstream, false), p([], false), p(slice, true)], [[idr], [endOfBitstream, slice]], []
        ),
        Row("PAY-20 a slice that is a header alone", [p(idr, false), p([0x02, 1], true)], [], [.truncated]),
        Row("PAY-20 PACI", [p([0x64, 1, 0, 0, 1], true)], [], [.unsupported]),
    ]

    @Test(arguments: table.indices)
    func payloadsBecomeUnits(_ index: Int) {
        let row = Self.table[index]
        var depacketizer = H265Depacketizer()
        let before = [p(Self.slice, true), p([], false)]
        var result = feed(&depacketizer, before + row.payloads)
        #expect(result.units.first == [Self.slice])
        result.units.removeFirst()
        #expect(result.units == row.units, "\(row.name)")
        #expect(result.errors == row.errors, "\(row.name)")
    }

    /// PAY-21: pictures that refer to what came before the CRA picture with which decoding begins; later ones come.
    @Test func leadingPicturesOfTheFirstKeyframeAreLeftOut() {
        let cra: [UInt8] = [0x2A, 1, 0xAF, 4]
        let leading: [UInt8] = [0x10, 1, 0xD0, 7]
        let decodable: [UInt8] = [0x0C, 1, 0xD0, 8]
        let brokenLink: [UInt8] = [0x20, 1, 0xAF, 9]
        func pictures(_ units: [[UInt8]]) -> [TestPayload] { units.flatMap { [p($0, true), p([], false)] } }
        var depacketizer = H265Depacketizer()
        // The second slice of a picture does not make it another one.
        let second: [UInt8] = [0x2A, 1, 0x2F, 4]
        let start = [p(cra, false), p(second, true), p([], false)]
        let result = feed(
            &depacketizer,
            start
                + pictures([
                    leading, decodable, Self.slice, cra, leading, Self.slice, brokenLink, leading, decodable,
                    Self.slice,
                ]))
        #expect(
            result.units == [
                [cra, second], [decodable], [Self.slice], [cra], [leading], [Self.slice], [brokenLink], [decodable],
                [Self.slice],
            ])
        #expect(result.errors.isEmpty)
        #expect(depacketizer.droppedUnits == 2)
    }

    /// PAY-21: behind the end of a sequence decoding begins anew; that of another layer ends nothing here.
    @Test(arguments: [(endOfSequence, false), (endOfBitstream, false), ([0x48, 9], true)] as [([UInt8], Bool)])
    func leadingPicturesBehindTheEndOfASequenceAreLeftOut(_ end: [UInt8], _ isKept: Bool) {
        let cra: [UInt8] = [0x2A, 1, 0xAF, 4]
        let leading: [UInt8] = [0x10, 1, 0xD0, 7]
        var depacketizer = H265Depacketizer()
        let result = feed(
            &depacketizer,
            [
                p(cra, true), p([], false), p(Self.slice, false), p(end, true), p([], false), p(cra, true),
                p([], false), p(leading, true), p([], false), p(Self.slice, true),
            ])
        var expected: [[[UInt8]]] = [[cra], [Self.slice, end], [cra]]
        if isKept { expected.append([leading]) }
        expected.append([Self.slice])
        #expect(result.units == expected)
        #expect(result.errors.isEmpty)
    }

    /// PAY-20: decoding order numbers stand there only when they were announced.
    @Test func orderNumbersArePassedOver() {
        var depacketizer = H265Depacketizer(hasOrderNumbers: true)
        let single: [UInt8] = [0x26, 1, 0, 9, 0xAF, 4, 5, 6]
        let aggregate: [UInt8] = [0x60, 1, 0, 7, 0, 3] + Self.vps + [0, 0, 4] + Self.sps
        let payloads = [
            p(single, true), p([], false), p(aggregate, false), p([0x62, 1, 0x93, 0, 8, 0xAF, 4], false),
            p([0x62, 1, 0x53, 5, 6], true),
        ]
        let result = feed(&depacketizer, payloads)
        #expect(result.units == [[Self.idr], [Self.vps, Self.sps, Self.idr]])
        #expect(result.errors.isEmpty)
    }
}
