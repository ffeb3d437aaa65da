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
    public mutating func rewrite(_ picture: VP8Picture) -> VP8Picture {
        var result = picture
        if let pictureID = picture.pictureID {
            result.pictureID = pictures.rewrite(pictureID, bits: picture.isLongPictureID ? 15 : 7)
        }
        if let index = picture.temporalLayerZeroIndex { result.temporalLayerZeroIndex = layerZero.rewrite(index) }
        if let index = picture.keyIndex { result.keyIndex = keys.rewrite(index) }
        return result
    }

    /// Leaves out a picture; all its packets are left out.
    ///
    /// - Parameter isLayerZero: whether it is one of the lowest temporal layer, of which all follow up to a keyframe are
    ///   left out too. Those above have the index of one that is sent.
    public mutating func drop(_ picture: VP8Picture, isLayerZero: Bool = true) {
        if isLayerZero {
            if let index = picture.temporalLayerZeroIndex { layerZero.drop(index) }
            if let index = picture.keyIndex { keys.drop(index) }
        }
        guard let pictureID = picture.pictureID else { return }
        pictures.drop(pictureID, bits: picture.isLongPictureID ? 15 : 7)
    }
}
