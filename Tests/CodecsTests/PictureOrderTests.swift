import Codecs
import TestKit
import Testing
import Wire

/// PAY-61: what encoders wrote, counted.
@Suite struct RecordedPictureOrderTests {
    private static func reader(_ name: String) -> any PictureOrderReader {
        name.hasPrefix("h264") ? H264PictureOrderReader() : H265PictureOrderReader()
    }

    private static func orders(_ name: String, _ recorded: RecordedOrder) -> [PictureOrder?] {
        var reader = reader(name)
        return recorded.units.map { unit in
            for nalUnit in unit.nalUnits { nalUnit.withBytes { reader.take($0) } }
            return reader.endOfUnit()
        }
    }

    @Test(arguments: RecordedOrder.h264 + RecordedOrder.h265)
    func countsOrderPicturesAsTheyAreShown(_ name: String) throws {
        let recorded = try RecordedOrder(name)
        let orders = Self.orders(name, recorded)
        try #require(orders.allSatisfy { $0 != nil })
        #expect(orders.first??.startsSequence == true)
        var sequences = [[(count: Int64, time: Int64)]]()
        for (order, unit) in zip(orders.compactMap { $0 }, recorded.units) {
            if order.startsSequence { sequences.append([]) }
            sequences[sequences.count - 1].append((order.count, unit.presentation))
            #expect(!order.isSingleField)
        }
        for sequence in sequences {
            let byCount = sequence.sorted { $0.count < $1.count }.map(\.time)
            #expect(byCount == byCount.sorted())
            #expect(Set(sequence.map(\.count)).count == sequence.count)
        }
        // Open groups and intra refresh go on counting, whatever comes at their joints.
        let isOne =
            name.contains("open") || name.contains("refresh") || name.contains("strict")
            || name.hasPrefix("h265-bf")
        #expect((sequences.count == 1) == isOne)
    }

    @Test(
        arguments: [
            ("h264-bf0", 0), ("h264-bf1", 1), ("h264-bf2", 1), ("h264-bf3-pyramid", 2), ("h264-bf4-strict", 2),
            ("h264-baseline", 0), ("h264-interlaced", 2), ("h265-bf0", 0), ("h265-bf2", 1), ("h265-bf4-pyramid", 2),
        ])
    func streamsTellHowDeepTheyReorder(_ name: String, _ depth: Int) throws {
        let recorded = try RecordedOrder(name)
        var reader = Self.reader(name)
        #expect(reader.reorderDepth == nil)
        for nalUnit in recorded.units[0].nalUnits { nalUnit.withBytes { reader.take($0) } }
        #expect(reader.reorderDepth == depth)
        if name.hasPrefix("h264") { #expect(reader.frameDuration?.ticks(clockRate: 90_000) == 3_600) }
    }

    /// Behind the end of a sequence, which is a header alone, an open group counts anew too.
    @Test(arguments: [[0x48, 1], [0x4A, 1]] as [[UInt8]])
    func theEndOfASequenceBeginsAnother(_ end: [UInt8]) throws {
        let recorded = try RecordedOrder("h265-open-gop")
        var reader = H265PictureOrderReader()
        var (keyframes, starts) = (0, 0)
        for unit in recorded.units {
            let isKeyframe = unit.nalUnits.contains { bytes in
                bytes.first.map { H265NALUnitType(header: $0).isRandomAccess } ?? false
            }
            if isKeyframe {
                keyframes += 1
                end.withBytes { reader.take($0) }
            }
            for nalUnit in unit.nalUnits { nalUnit.withBytes { reader.take($0) } }
            if reader.endOfUnit()?.startsSequence == true { starts += 1 }
        }
        #expect(keyframes > 1)
        #expect(starts == keyframes)
    }

    /// An SPS that ends behind the size of its pictures.
    @Test func withoutItsCounterASliceTellsNoOrder() throws {
        let unit = try #require(try RecordedOrder("h265-bf0").units.first)
        var reader = H265PictureOrderReader()
        var isCut = false
        for nalUnit in unit.nalUnits {
            let cut = (0..<nalUnit.count).lazy.map { Array(nalUnit.prefix($0)) }.first { bytes in
                bytes.withBytes { H265SequenceParameterSet(parsing: $0).map { $0.orderCountBits == nil } ?? false }
            }
            if cut != nil { isCut = true }
            (cut ?? nalUnit).withBytes { reader.take($0) }
        }
        #expect(isCut)
        #expect(reader.endOfUnit() == nil)
        #expect(reader.reorderDepth == nil)
    }

    @Test(arguments: RecordedOrder.h264 + RecordedOrder.h265)
    func prefixesAndHostileBytesNeverTrap(_ name: String) throws {
        let recorded = try RecordedOrder(name)
        var random = SplitMix64(seed: 61)
        for length in 0..<64 {
            var reader = Self.reader(name)
            for unit in recorded.units {
                for nalUnit in unit.nalUnits { Array(nalUnit.prefix(length)).withBytes { reader.take($0) } }
                let order = reader.endOfUnit()
                if length < 5 { #expect(order == nil) }
            }
        }
        for _ in 0..<40 {
            var reader = Self.reader(name)
            for unit in recorded.units {
                for var nalUnit in unit.nalUnits where nalUnit.count > 1 {
                    for _ in 0..<Int.random(in: 0...2, using: &random) {
                        nalUnit[Int.random(in: 1..<nalUnit.count, using: &random)] = UInt8.random(
                            in: 0...255, using: &random)
                    }
                    nalUnit.withBytes { reader.take($0) }
                }
                _ = reader.endOfUnit()
                #expect((0...16).contains(reader.reorderDepth ?? 0))
            }
        }
    }
}

/// PAY-61: fields, several slices, and counts that begin anew.
@Suite struct BuiltPictureOrderTests {
    typealias Slice = BuiltPictures.Slice

    private func orders(_ stream: BuiltPictures, _ units: [[Slice]]) -> [PictureOrder?] {
        var reader = H264PictureOrderReader()
        stream.sequenceParameterSet.withBytes { reader.take($0) }
        stream.pictureParameterSet.withBytes { reader.take($0) }
        return units.map { slices in
            for slice in slices { stream.slice(slice).withBytes { reader.take($0) } }
            return reader.endOfUnit()
        }
    }

    private func field(_ count: Int, bottom: Bool, idr: Bool = false) -> Slice {
        var slice = Slice(count, type: idr ? 2 : 0)
        slice.isIDR = idr
        slice.bottom = bottom
        return slice
    }

    @Test func countersWrap() {
        var stream = BuiltPictures()
        stream.countBits = 4
        let orders = orders(stream, [[.idr]] + (1...40).map { [Slice(2 * $0)] })
        #expect(orders.map { $0?.count } == (0...40).map { Int64(2 * $0) })
    }

    /// Of pictures that nothing refers to the next counter is not reckoned.
    @Test func countersGoOnFromReferences() {
        var stream = BuiltPictures()
        stream.countBits = 4
        var bidirectional = Slice(2, type: 1)
        bidirectional.isReference = false
        let orders = orders(stream, [[.idr], [Slice(6)], [bidirectional], [Slice(12)], [Slice(18)], [Slice(14)]])
        #expect(orders.map { $0?.count } == [0, 6, 2, 12, 18, 14])
    }

    @Test func severalSlicesAreOnePicture() {
        var second = Slice(2)
        second.firstMacroblock = 60
        let orders = orders(BuiltPictures(), [[.idr, .idr], [Slice(2), second], [Slice(4)]])
        #expect(orders.map { $0?.count } == [0, 2, 4])
    }

    @Test func fieldsInOneUnitAreOneFrame() {
        var stream = BuiltPictures()
        stream.codesFramesOnly = false
        stream.tellsFieldOrder = true
        // The first frame's bottom field is not IDR any more.
        let units = [
            [field(0, bottom: false, idr: true), field(1, bottom: true)],
            [field(3, bottom: true), field(2, bottom: false), field(2, bottom: false)],
        ]
        let orders = orders(stream, units)
        #expect(orders.map { $0?.count } == [0, 2])
        #expect(orders.map { $0?.startsSequence } == [true, false])
        #expect(orders.allSatisfy { $0?.isSingleField == false })
    }

    @Test func fieldsInUnitsOfTheirOwnAreToldApart() {
        var stream = BuiltPictures()
        stream.codesFramesOnly = false
        let units = (0..<6).map { [field($0, bottom: $0 % 2 == 1, idr: $0 == 0)] }
        let orders = orders(stream, units)
        #expect(orders.map { $0?.count } == [0, 1, 2, 3, 4, 5])
        #expect(orders.allSatisfy { $0?.isSingleField == true })
    }

    @Test func framesOfFieldsCountTheirEarlierOne() {
        var stream = BuiltPictures()
        stream.codesFramesOnly = false
        stream.tellsFieldOrder = true
        var bottomFirst = Slice(5)
        bottomFirst.bottomDifference = -1
        #expect(orders(stream, [[.idr], [bottomFirst]]).map { $0?.count } == [0, 4])
    }

    /// memory_management_control_operation 5, behind lists and weights of every kind.
    @Test(arguments: [false, true], [0, 1])
    func forgettingReferencesBeginsASequence(_ weightsPredictions: Bool, _ type: Int) {
        var stream = BuiltPictures()
        stream.weightsPredictions = weightsPredictions
        var forgetting = Slice(40, type: type)
        forgetting.forgetsReferences = true
        let orders = orders(stream, [[.idr], [Slice(2)], [Slice(200)], [forgetting], [Slice(2)], [Slice(4)]])
        #expect(orders.map { $0?.count } == [0, 2, -56, 0, 2, 4])
        #expect(orders.map { $0?.startsSequence } == [true, false, false, true, false, false])
    }

    @Test func whatTheFrameHasLeftGoesOnCounting() {
        var stream = BuiltPictures()
        stream.codesFramesOnly = false
        stream.tellsFieldOrder = true
        stream.countBits = 4
        var forgetting = Slice(9)
        forgetting.forgetsReferences = true
        forgetting.bottomDifference = -6
        // The top field has 6 left, so 14 lies before the wrap and 13 does too: only above 14 it is the turn before.
        #expect(orders(stream, [[.idr], [forgetting], [Slice(14)]]).map { $0?.count } == [0, 0, 14])
        #expect(orders(stream, [[.idr], [forgetting], [Slice(15)]]).map { $0?.count } == [0, 0, -1])
    }

    @Test func decodingOrderIsCountedAndCyclesAreRefused() {
        var stream = BuiltPictures()
        stream.order = .decodingOrder
        #expect(orders(stream, [[.idr], [Slice(0)], [Slice(0)], [.idr]]).map { $0?.count } == [0, 2, 4, 0])
        stream.order = .cycle
        var reader = H264PictureOrderReader()
        for unit in [stream.sequenceParameterSet, stream.pictureParameterSet, stream.slice(.idr)] {
            unit.withBytes { reader.take($0) }
        }
        #expect(reader.endOfUnit() == nil)
        #expect(reader.isUnsupported)
    }

    @Test func slicesWithoutTheirSetsTellNothing() {
        var reader = H264PictureOrderReader()
        BuiltPictures().slice(.idr).withBytes { reader.take($0) }
        #expect(reader.endOfUnit() == nil)
        #expect(!reader.isUnsupported && reader.reorderDepth == nil)
    }
}
