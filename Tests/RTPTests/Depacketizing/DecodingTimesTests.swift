import Codecs
import RTP
import TestKit
import Testing
import Wire

/// PAY-61: the times are those that the encoders gave their pictures.
@Suite struct RecordedDecodingTimesTests {
    static func description(_ codec: Codec, clockRate: UInt32 = 90_000) -> PayloadDescription {
        PayloadDescription(codec: codec, encodingName: codec.rawValue, clockRate: clockRate, channels: 1) { _ in nil }
    }

    static func unit(_ parts: [[UInt8]]) -> AccessUnit {
        var unit = AccessUnit(bytes: [], parts: [], timestamp: 0, isKeyframe: false)
        for part in parts {
            unit.parts.append(unit.bytes.count..<unit.bytes.count + part.count)
            unit.bytes += part
        }
        return unit
    }

    static func times(_ name: String, _ units: [RecordedOrder.Unit]) -> (times: [DecodingTimes.Times], DecodingTimes) {
        var times = DecodingTimes(description(name.hasPrefix("h264") ? .h264 : .h265))
        var now = Instant.seconds(1)
        let result = units.map { unit in
            now = now.advanced(byMilliseconds: 40)
            return times.next(Self.unit(unit.nalUnits), presentation: unit.presentation, arrival: now)
        }
        return (result, times)
    }

    @Test(arguments: RecordedOrder.h264 + RecordedOrder.h265)
    func timesAreTheEncoders(_ name: String) throws {
        let recorded = try RecordedOrder(name)
        let (times, state) = Self.times(name, recorded.units)
        #expect(times.map(\.presentation) == recorded.units.map(\.presentation))
        // H.265 says nothing about how long pictures last where it can be read, so the first ones are decoded at another time.
        let start = name.hasPrefix("h265") ? 2 : 0
        #expect(times.map(\.decoding).dropFirst(start) == recorded.units.map { $0.decoding }.dropFirst(start))
        #expect(times.map(\.startsEpoch) == [true] + Array(repeating: false, count: times.count - 1))
        #expect(state.moved == 0 && state.misordered == 0 && !state.isRefused)
        Self.check(times)
    }

    static func check(_ times: [DecodingTimes.Times]) {
        for time in times { #expect(time.decoding.map { $0 <= time.presentation } ?? false) }
        for (former, next) in zip(times, times.dropFirst()) where !next.startsEpoch {
            #expect((former.decoding ?? 0) < (next.decoding ?? 0))
        }
    }

    /// Whatever is missing, the times keep their order and nothing is moved.
    @Test(arguments: RecordedOrder.h264 + RecordedOrder.h265)
    func lossesKeepTheOrder(_ name: String) throws {
        let recorded = try RecordedOrder(name)
        var random = SplitMix64(seed: 12)
        for round in 0..<100 {
            let lost = recorded.units.dropFirst().filter { _ in
                Int.random(in: 0..<100, using: &random) >= 2 + round % 50
            }
            let (times, state) = Self.times(name, [recorded.units[0]] + lost)
            Self.check(times)
            #expect(state.moved == 0)
        }
    }
}

/// Streams as cameras and hardware encoders send them, and timestamps that are wrong.
@Suite struct DecodingTimesTests {
    typealias Slice = BuiltPictures.Slice

    /// Pictures in decoding order: their count and their place on the display, both from the last IDR picture.
    private func run(
        _ stream: BuiltPictures, _ pictures: [(count: Int, place: Int)], groups: Int = 3, length: Int = 12,
        ticks: Int64 = 3_600
    ) -> (times: [DecodingTimes.Times], expected: [Int64], state: DecodingTimes) {
        var times = DecodingTimes(RecordedDecodingTimesTests.description(.h264))
        var found: [DecodingTimes.Times] = []
        var presentations: [Int64] = []
        var now = Instant.seconds(5)
        for group in 0..<groups {
            for (index, picture) in pictures.enumerated() {
                var slice = index == 0 ? Slice.idr : Slice(picture.count)
                slice.count = picture.count
                let units =
                    index == 0
                    ? [stream.sequenceParameterSet, stream.pictureParameterSet, stream.slice(slice)]
                    : [stream.slice(slice)]
                let presentation = Int64(group * length + picture.place) * ticks
                now = now.advanced(byMilliseconds: 40)
                presentations.append(presentation)
                found.append(
                    times.next(RecordedDecodingTimesTests.unit(units), presentation: presentation, arrival: now))
            }
        }
        return (found, presentations, times)
    }

    private static let straight = (0..<12).map { (count: 2 * $0, place: $0) }
    /// Pyramids of three B pictures in decoding order: I P B b b P B b b, and three P pictures at the end.
    private static let pyramid = [0, 4, 2, 1, 3, 8, 6, 5, 7, 9, 10, 11]

    /// A camera without usability information and without reordering: what is decoded is shown at once.
    @Test(arguments: [1, 2, 4])
    func camerasThatDoNotReorderAreNotDelayed(_ step: Int) {
        let pictures = (0..<12).map { (count: step * $0, place: $0) }
        let (times, expected, state) = run(BuiltPictures(), pictures)
        #expect(times.map(\.presentation) == expected)
        // One that counts in steps that no other does is known for it from the second group on.
        let start = step > 2 ? 12 : 0
        #expect(times.map(\.decoding).dropFirst(start) == expected.map { $0 }.dropFirst(start))
        RecordedDecodingTimesTests.check(times)
        #expect(state.moved == 0 && state.misordered == 0)
    }

    /// Hardware that says nothing and reorders all the same: a gap in the counts tells it in time.
    @Test func gapsInTheCountsAnnounceReordering() {
        let (times, expected, state) = run(BuiltPictures(), Self.pyramid.map { (2 * $0, $0) })
        #expect(times.map(\.presentation) == expected)
        #expect(state.moved == 0 && state.misordered == 0)
        RecordedDecodingTimesTests.check(times)
        // From the second group on the times are even.
        let decoding = times.compactMap(\.decoding).dropFirst(14)
        for (former, next) in zip(decoding, decoding.dropFirst()) { #expect(next - former == 3_600) }
    }

    /// Encoders that count frames, not fields, one by one.
    @Test func countsMayGoUpByOne() {
        let (times, expected, state) = run(BuiltPictures(), Self.pyramid.map { ($0, $0) })
        RecordedDecodingTimesTests.check(times)
        // What cannot be known in the first group costs no more than this.
        #expect(state.moved <= 1)
        #expect(times.dropFirst(12).map(\.presentation) == Array(expected.dropFirst(12)))
    }

    /// An encoder that announces what it does: times are even from the beginning.
    @Test func announcedDepthsAreKept() {
        var stream = BuiltPictures()
        stream.reorderDepth = 2
        let (times, expected, state) = run(stream, Self.pyramid.map { (2 * $0, $0) })
        #expect(times.map(\.presentation) == expected)
        #expect(state.moved == 0)
        #expect(times[2...].compactMap(\.decoding) == (0..<Int64(34)).map { $0 * 3_600 })
        // One that announces more than it does is believed.
        stream.reorderDepth = 4
        let deep = run(stream, Self.straight)
        #expect(deep.times[4...].compactMap(\.decoding) == (0..<Int64(32)).map { $0 * 3_600 })
    }

    /// An encoder that announces less than it does.
    @Test func falseAnnouncementsAreFoundOut() {
        var stream = BuiltPictures()
        stream.reorderDepth = 0
        let (times, expected, state) = run(stream, Self.pyramid.map { (2 * $0, $0) })
        RecordedDecodingTimesTests.check(times)
        #expect(state.moved > 0 && state.moved <= 4)
        #expect(times.dropFirst(12).map(\.presentation) == Array(expected.dropFirst(12)))
    }

    /// Quick Sync puts pictures before the IDR picture that they follow, with counts below it.
    @Test func picturesBeforeAnIDRPictureComeAfterIt() {
        var stream = BuiltPictures()
        stream.reorderDepth = 2
        let pictures = [(0, 2), (-4, 0), (-2, 1), (2, 3), (8, 6), (4, 4), (6, 5), (10, 7), (12, 8), (14, 9)]
        let (times, expected, state) = run(stream, pictures.map { (count: $0.0, place: $0.1) }, length: 10)
        RecordedDecodingTimesTests.check(times)
        #expect(times.dropFirst(10).map(\.presentation) == Array(expected.dropFirst(10)))
        #expect(state.misordered == 0)
    }

    @Test func fieldsInUnitsOfTheirOwnReorderTwiceAsDeep() {
        var stream = BuiltPictures()
        stream.codesFramesOnly = false
        stream.reorderDepth = 1
        var times = DecodingTimes(RecordedDecodingTimesTests.description(.h264))
        var found: [DecodingTimes.Times] = []
        // Frames in decoding order, each of two fields.
        for (index, frame) in [0, 2, 1, 4, 3, 6, 5, 8, 7].enumerated() {
            for half in 0..<2 {
                var slice = Slice(2 * frame + half, type: index == 0 ? 2 : 0)
                slice.isIDR = index == 0 && half == 0
                slice.bottom = half == 1
                let units = [stream.sequenceParameterSet, stream.pictureParameterSet, stream.slice(slice)]
                found.append(
                    times.next(
                        RecordedDecodingTimesTests.unit(units), presentation: Int64(2 * frame + half) * 1_800,
                        arrival: .seconds(1)))
            }
        }
        RecordedDecodingTimesTests.check(found)
        #expect(times.moved == 0)
        #expect(found[2...].compactMap(\.decoding) == (0..<Int64(16)).map { $0 * 1_800 })
    }

    @Test func cyclesAreRefusedUnlessTheDepthIsTold() {
        var stream = BuiltPictures()
        stream.order = .cycle
        let refused = run(stream, Self.straight)
        #expect(refused.state.isRefused)
        #expect(refused.times.allSatisfy { $0.decoding == nil })
        #expect(refused.times.map(\.presentation) == refused.expected)
        stream.reorderDepth = 2
        let told = run(stream, Self.pyramid.map { (2 * $0, $0) })
        #expect(!told.state.isRefused && told.state.moved == 0)
        RecordedDecodingTimesTests.check(told.times)
    }

    @Test func picturesInDecodingOrderAreNotDelayed() {
        var stream = BuiltPictures()
        stream.order = .decodingOrder
        let (times, expected, state) = run(stream, Self.straight)
        #expect(times.map(\.decoding) == expected.map { $0 })
        #expect(state.misordered == 0)
    }

    /// A sender that puts the times of decoding into its packets: nothing breaks, and it is told.
    @Test func timesThatContradictTheCountsAreCounted() {
        var stream = BuiltPictures()
        stream.reorderDepth = 2
        let pictures = Self.pyramid.enumerated().map { (count: 2 * $0.element, place: $0.offset) }
        let (times, _, state) = run(stream, pictures)
        RecordedDecodingTimesTests.check(times)
        #expect(state.misordered == 3 * 4)
        #expect(state.moved == 0)
    }

    /// PAY-67.
    @Test(
        arguments: [
            ("equal", [0, 3_000, 3_000, 3_000, 6_000], 2), ("back", [0, 3_000, 2_000, 2_500, 6_000], 2),
            ("all the same", [0, 0, 0, 0, 0], 4), ("variable", [0, 1, 90_000, 90_001, 500_000], 0),
        ] as [(String, [Int64], UInt64)])
    func faultyStepsMoveTimesOn(_ name: String, _ presentations: [Int64], _ moved: UInt64) {
        for codec in [Codec.vp8, .h264, .opus] {
            var times = DecodingTimes(RecordedDecodingTimesTests.description(codec))
            var stream = BuiltPictures()
            stream.order = .decodingOrder
            var found: [DecodingTimes.Times] = []
            for (index, presentation) in presentations.enumerated() {
                let units = [
                    stream.sequenceParameterSet, stream.pictureParameterSet, stream.slice(index == 0 ? .idr : Slice(0)),
                ]
                found.append(
                    times.next(
                        RecordedDecodingTimesTests.unit(units), presentation: presentation, arrival: .seconds(1)))
            }
            RecordedDecodingTimesTests.check(found)
            #expect(times.moved == moved, "\(name) \(codec)")
            #expect(found.allSatisfy { $0.decoding == $0.presentation })
        }
    }

    /// PAY-65: an hour forwards, an hour back, and a pause that is only that.
    @Test func jumpsBeginEpochs() {
        var times = DecodingTimes(RecordedDecodingTimesTests.description(.vp9))
        let hour: Int64 = 3_600 * 90_000
        var found: [DecodingTimes.Times] = []
        for (presentation, second) in [
            (0, 1), (90_000, 2), (hour, 3), (hour + 90_000, 4), (0, 5), (90_000, 6), (90_000 * 61, 66),
        ] {
            found.append(
                times.next(
                    RecordedDecodingTimesTests.unit([[1]]), presentation: presentation,
                    arrival: .seconds(UInt64(second))))
        }
        #expect(found.map(\.startsEpoch) == [true, false, true, false, true, false, false])
        #expect(found.allSatisfy { $0.decoding == $0.presentation })
        #expect(times.moved == 0)
    }

    @Test func hostileStreamsKeepTheOrder() throws {
        var random = SplitMix64(seed: 67)
        for round in 0..<40 {
            let name = (RecordedOrder.h264 + RecordedOrder.h265)[round % 14]
            var units = try RecordedOrder(name).units
            for index in units.indices {
                if Int.random(in: 0..<8, using: &random) == 0 {
                    units[index].presentation = Int64.random(in: -900_000...900_000, using: &random)
                }
                for part in units[index].nalUnits.indices where Int.random(in: 0..<4, using: &random) == 0 {
                    let place = Int.random(in: 0..<units[index].nalUnits[part].count, using: &random)
                    units[index].nalUnits[part][place] = UInt8.random(in: 0...255, using: &random)
                }
            }
            let (times, state) = RecordedDecodingTimesTests.times(name, units)
            if !state.isRefused, times.allSatisfy({ $0.decoding != nil }) { RecordedDecodingTimesTests.check(times) }
        }
    }
}

@Suite struct FrameTimesTests {
    /// PAY-60: the capture time is that of the frame's own timestamp, whichever packet completes it, and in whatever order
    /// packets come.
    @Test func framesHaveTheCaptureTimeOfTheirTimestamps() {
        var assembler = FrameAssembler(RecordedDecodingTimesTests.description(.h264))
        var frames: [FrameAssembler.Frame] = []
        // No markers, so that the next frame's packet completes each; the third and the fourth change places.
        for number in [0, 1, 3, 2, 4] as [UInt16] {
            var packet: [UInt8] = [0x80, 96]
            packet.append(bigEndian: number)
            packet.append(bigEndian: UInt32(number) * 9_000)
            packet += [0, 0, 0, 1, 0x65, 0x88, 1]
            let captured = Instant.milliseconds(5_000 + UInt64(number) * 100)
            packet.withBytes { bytes in
                guard let header = try? RTPHeader(parsing: bytes) else { return }
                assembler.receive(bytes, header: header, at: .seconds(9), captured: captured) { frames.append($0) }
            }
        }
        #expect(frames.map(\.captureTime) == (0..<4).map { .milliseconds(5_000 + $0 * 100) })
        #expect(frames.map(\.startsEpoch) == [true, false, false, false])
        #expect(frames.allSatisfy { $0.arrival == .seconds(9) })
    }
}
