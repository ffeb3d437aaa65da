/// The numbers of a VP8 payload descriptor that change from picture to picture (RFC 7741, section 4.2).
/// Each is nil where the descriptor does not carry it.
@frozen
public struct VP8Picture: Hashable, Sendable {
    /// 7 or 15 bits.
    public var pictureID: UInt16?
    /// Whether `pictureID` is in the 15-bit form. The rewritten number is always one of 15 bits: for the 7-bit form
    /// the low 7 are to be sent.
    public var isLongPictureID: Bool
    /// TL0PICIDX: counts the pictures of the lowest temporal layer.
    public var temporalLayerZeroIndex: UInt8?
    /// KEYIDX: counts keyframes, 5 bits.
    public var keyIndex: UInt8?

    public init(pictureID: UInt16?, isLongPictureID: Bool, temporalLayerZeroIndex: UInt8?, keyIndex: UInt8?) {
        self.pictureID = pictureID
        self.isLongPictureID = isLongPictureID
        self.temporalLayerZeroIndex = temporalLayerZeroIndex
        self.keyIndex = keyIndex
    }
}

/// Keeps PictureID, TL0PICIDX and KEYIDX continuous for one viewer over changes of source and temporal layers left out.
///
/// Used beside a ``StreamRewriter``, which refuses packets from before a change of source.
public struct VP8PictureRewriter: Sendable {
    private var pictures: PictureNumbering
    private var layerZero: IndexContinuation
    private var keys: IndexContinuation

    /// - Parameter firstPictureID: random; the low 15 bits are used.
    public init(firstPictureID: UInt16, firstLayerZeroIndex: UInt8 = 0, firstKeyIndex: UInt8 = 0) {
        pictures = PictureNumbering(first: firstPictureID)
        layerZero = IndexContinuation(first: firstLayerZeroIndex, mask: 0xFF)
        keys = IndexContinuation(first: firstKeyIndex, mask: 0x1F)
    }

    /// The stream goes over to a source whose next picture, a keyframe, is `picture`.
    public mutating func switchSource(to picture: VP8Picture) {
        if let pictureID = picture.pictureID { pictures.switchSource(at: pictureID) }
        if let index = picture.temporalLayerZeroIndex { layerZero.switchSource(at: index) }
        if let index = picture.keyIndex { keys.switchSource(at: index) }
    }

    /// What to send in the packets of `picture`.
    ///
    /// - Parameter startsKeyframe: whether this packet is the first of a keyframe.
    public mutating func rewrite(_ picture: VP8Picture, startsKeyframe: Bool = false) -> VP8Picture {
        var result = picture
        var isNewest = true
        if let pictureID = picture.pictureID {
            (result.pictureID, isNewest) = pictures.rewrite(pictureID, bits: picture.isLongPictureID ? 15 : 7)
        }
        if startsKeyframe, isNewest {
            if let index = picture.temporalLayerZeroIndex { layerZero.keyframeBegins(at: index) }
            if let index = picture.keyIndex { keys.keyframeBegins(at: index) }
        }
        if let index = picture.temporalLayerZeroIndex {
            result.temporalLayerZeroIndex = layerZero.rewrite(index, isNewest: isNewest)
        }
        if let index = picture.keyIndex { result.keyIndex = keys.rewrite(index, isNewest: isNewest) }
        return result
    }

    /// Leaves out a picture; all its packets are left out. One of the lowest temporal layer must be followed by a keyframe.
    public mutating func drop(_ picture: VP8Picture) {
        if let index = picture.temporalLayerZeroIndex { layerZero.drop(index) }
        if let index = picture.keyIndex { keys.drop(index) }
        guard let pictureID = picture.pictureID else { return }
        pictures.drop(pictureID, bits: picture.isLongPictureID ? 15 : 7)
    }
}

/// A small counter that goes on over changes of source and over values left out before a keyframe.
struct IndexContinuation: Sendable {
    private let mask: UInt8
    private var offset: UInt8 = 0
    private var highestOutput: UInt8
    private var hasSource = false
    /// The newest value of the source that was not left out.
    private var newest: UInt8?
    private var hasDropped = false
    /// Where values were left out last: the first one after them, and the offset of those before.
    private var former: (end: UInt8, offset: UInt8)?

    init(first: UInt8, mask: UInt8) {
        self.mask = mask
        highestOutput = first &- 1
    }

    mutating func switchSource(at index: UInt8) {
        offset = highestOutput &+ 1 &- index
        hasSource = true
        newest = nil
        hasDropped = false
        former = nil
    }

    /// A picture with this value is left out.
    mutating func drop(_ index: UInt8) {
        if hasSource, index != newest { hasDropped = true }
    }

    /// A keyframe begins: when pictures before it were left out, it follows what was sent.
    mutating func keyframeBegins(at index: UInt8) {
        guard hasDropped, index != newest else { return }
        if newest != nil { former = (index, offset) }
        offset = highestOutput &+ 1 &- index
        hasDropped = false
    }

    /// `isNewest` tells whether the value may move the counter on.
    mutating func rewrite(_ index: UInt8, isNewest: Bool) -> UInt8 {
        if !hasSource { switchSource(at: index) }
        guard isNewest else {
            let isFormer = former.map { (index &- $0.end) & mask > mask / 2 } ?? false
            return (index &+ (isFormer ? former?.offset ?? offset : offset)) & mask
        }
        newest = index
        highestOutput = index &+ offset
        return highestOutput & mask
    }
}
