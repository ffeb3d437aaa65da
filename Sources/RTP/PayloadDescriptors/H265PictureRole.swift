import Codecs
import Wire

/// What the picture that a payload is of means to a decoder that begins at the random access picture before it.
public enum H265PictureRole: Hashable, Sendable {
    /// A random access picture that nothing can follow which refers to what came before it: IDR, and BLA without such.
    case closedRandomAccess
    /// A random access picture behind which ``skippedLeading`` pictures may come: CRA, and BLA with leading pictures.
    case openRandomAccess
    /// Shown before the random access picture, and referring to what came before that one (RASL): nobody who begins there
    /// can decode it (H.265, 8.3.3).
    case skippedLeading
    /// Shown before the random access picture, and decodable without anything earlier (RADL).
    case decodableLeading
    /// Any other. Behind it come no leading pictures of the same random access picture (H.265, 7.4.2.2).
    case trailing

    /// nil for a payload without a slice: parameter sets, messages, junk.
    public init?(_ payload: RawSpan) {
        guard let header = payload.integer(at: 0, as: UInt8.self), header & 0x80 == 0 else { return nil }
        switch H265NALUnitType(header: header) {
        case .aggregation:
            var offset = 2
            while let size = payload.integer(at: offset, as: UInt16.self) {
                if size > 2, let header = payload.integer(at: offset + 2, as: UInt8.self),
                    let role = Self(H265NALUnitType(header: header))
                {
                    self = role
                    return
                }
                offset += 2 + Int(size)
            }
            return nil
        case .fragmentation:
            guard let fragment = payload.integer(at: 2, as: UInt8.self) else { return nil }
            self.init(H265NALUnitType(rawValue: fragment & 0x3F))
        case let type: self.init(type)
        }
    }

    private init?(_ type: H265NALUnitType) {
        guard type.isSlice else { return nil }
        self =
            if type.isRandomAccess {
                type.mayHaveSkippedLeading ? .openRandomAccess : .closedRandomAccess
            } else if type.isSkippedLeading {
                .skippedLeading
            } else if type.isDecodableLeading {
                .decodableLeading
            } else {
                .trailing
            }
    }
}
