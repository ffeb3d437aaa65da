import Wire

/// The parameter sets of an H.264 stream that slices refer to, by their numbers.
public struct H264ParameterSets: Sendable {
    public private(set) var sequences: [UInt8: H264SequenceParameterSet] = [:]
    public private(set) var pictures: [UInt8: H264PictureParameterSet] = [:]

    public init() {}

    /// Takes a NAL unit; what is no parameter set, or cannot be read, changes nothing.
    public mutating func note(_ unit: RawSpan) {
        if let set = H264SequenceParameterSet(parsing: unit) {
            sequences[set.identifier] = set
        } else if let set = H264PictureParameterSet(parsing: unit) {
            pictures[set.identifier] = set
        }
    }
}

/// What the header of an H.264 slice says about the order of pictures (H.264, 7.3.3).
///
/// Left out: what follows the marking of reference pictures. Slices of other views and layers are not read.
public struct H264SliceHeader: Hashable, Sendable {
    public var isIDR: Bool
    public var isReference: Bool
    public var frameNumber: UInt32
    public var isField = false
    public var isBottomField = false
    /// `pic_order_cnt_lsb` and `delta_pic_order_cnt_bottom`; 0 where the order is told in another way.
    public var orderCount: UInt32 = 0
    public var bottomFieldDifference: Int64 = 0
    /// The picture is there a second time, in case that the first is lost.
    public var isRedundant = false
    /// All reference pictures are forgotten after this one, and pictures are counted anew
    /// (`memory_management_control_operation` 5). False also where the header ends before it can be known.
    public var forgetsReferences = false

    /// More operations than this follow each other in no slice.
    private static let maximumOperations = 66

    /// Reads a slice NAL unit, header byte included, of which the first bytes are enough.
    ///
    /// - Parameter sequence: gets the SPS that holds for the slice.
    /// - Returns: nil for other units, and when its parameter sets are not known.
    public init?(parsing nalUnit: RawSpan, _ sets: H264ParameterSets, sequence: inout H264SequenceParameterSet?) {
        guard let header = nalUnit.integer(at: 0, as: UInt8.self) else { return nil }
        let type = H264NALUnitType(header: header)
        guard type == .nonIDRSlice || type == .dataPartitionA || type == .idrSlice else { return nil }
        isIDR = type == .idrSlice
        isReference = header & 0x60 != 0
        var reader = BitReader(from: 1, skipsEmulationPrevention: true)
        _ = reader.exponentialGolomb(nalUnit)
        let sliceType = reader.exponentialGolomb(nalUnit)
        guard sliceType <= 9, let number = UInt8(exactly: reader.exponentialGolomb(nalUnit)),
            let picture = sets.pictures[number], let active = sets.sequences[picture.sequenceParameterSet]
        else { return nil }
        if active.hasSeparatePlanes { reader.skip(2, nalUnit) }
        frameNumber = reader.bits(active.frameNumberBits, nalUnit)
        if !active.codesFramesOnly {
            isField = reader.flag(nalUnit)
            if isField { isBottomField = reader.flag(nalUnit) }
        }
        if isIDR { _ = reader.exponentialGolomb(nalUnit) }
        switch active.pictureOrder {
        case .counter(let bits):
            orderCount = reader.bits(bits, nalUnit)
            if picture.tellsFieldOrder, !isField { bottomFieldDifference = reader.signedExponentialGolomb(nalUnit) }
        case .cycle(let deviationsAreZero):
            if !deviationsAreZero {
                _ = reader.signedExponentialGolomb(nalUnit)
                if picture.tellsFieldOrder, !isField { _ = reader.signedExponentialGolomb(nalUnit) }
            }
        case .decodingOrder: break
        }
        if picture.mayHaveRedundantPictures { isRedundant = reader.exponentialGolomb(nalUnit) > 0 }
        guard !reader.isExhausted else { return nil }
        sequence = active
        if isReference, !isIDR {
            let chroma = active.chromaFormat > 0 && !active.hasSeparatePlanes
            forgetsReferences = Self.readForgetting(&reader, nalUnit, sliceType % 5, picture, hasChroma: chroma)
        }
    }

    /// Reads on to the marking of reference pictures (7.3.3.1–7.3.3.3).
    private static func readForgetting(
        _ reader: inout BitReader, _ bytes: RawSpan, _ sliceType: UInt32, _ picture: H264PictureParameterSet,
        hasChroma: Bool
    ) -> Bool {
        let (isP, isB) = (sliceType == 0 || sliceType == 3, sliceType == 1)
        var (first, second) = picture.referenceCounts
        if isB { reader.skip(1, bytes) }
        if isP || isB, reader.flag(bytes) {
            first = Int(reader.exponentialGolomb(bytes)) + 1
            if isB { second = Int(reader.exponentialGolomb(bytes)) + 1 }
            guard first <= 32, second <= 32 else { return false }
        }
        // The changes of the reference lists: pairs of operation and value up to operation 3.
        for _ in 0..<(isB ? 2 : isP ? 1 : 0) where reader.flag(bytes) {
            for _ in 0..<maximumOperations {
                if reader.exponentialGolomb(bytes) == 3 { break }
                _ = reader.exponentialGolomb(bytes)
            }
        }
        if isP && picture.weightsPredictions || isB && picture.weightedBiprediction == 1 {
            _ = reader.exponentialGolomb(bytes)
            if hasChroma { _ = reader.exponentialGolomb(bytes) }
            for _ in 0..<(first + (isB ? second : 0)) where !reader.isExhausted {
                let hasLuma = reader.flag(bytes)
                for _ in 0..<(hasLuma ? 2 : 0) { _ = reader.signedExponentialGolomb(bytes) }
                let hasOther = hasChroma && reader.flag(bytes)
                for _ in 0..<(hasOther ? 4 : 0) { _ = reader.signedExponentialGolomb(bytes) }
            }
        }
        guard reader.flag(bytes) else { return false }
        var isFound = false
        for _ in 0..<maximumOperations {
            let operation = reader.exponentialGolomb(bytes)
            switch operation {
            case 0: return isFound && !reader.isExhausted
            case 1, 2, 4, 6: _ = reader.exponentialGolomb(bytes)
            case 3:
                _ = reader.exponentialGolomb(bytes)
                _ = reader.exponentialGolomb(bytes)
            case 5: isFound = true
            default: return false
            }
        }
        return false
    }
}
