/// The numbers of a VP9 payload descriptor that count pictures (RFC 9628, section 4.2).
@frozen
public struct VP9Picture: Hashable, Sendable {
    /// 7 or 15 bits; nil where the descriptor does not carry it.
    public var pictureID: UInt16?
    /// Whether `pictureID` is in the 15-bit form. The rewritten number is always one of 15 bits: for the 7-bit form
    /// the low 7 are to be sent.
    public var isLongPictureID: Bool
    /// TL0PICIDX; nil in flexible mode.
    public var temporalLayerZeroIndex: UInt8?

    public init(pictureID: UInt16?, isLongPictureID: Bool, temporalLayerZeroIndex: UInt8?) {
        self.pictureID = pictureID
        self.isLongPictureID = isLongPictureID
        self.temporalLayerZeroIndex = temporalLayerZeroIndex
    }
}

/// Keeps picture id and TL0PICIDX continuous for one viewer over changes of source.
///
/// Pictures left out keep their numbers: references are differences of picture ids, and closing the gap would make
/// them point at other pictures.
public struct VP9PictureRewriter: Sendable {
    private var pictures: PictureNumbering
    private var layerZero: IndexContinuation

    /// - Parameter firstPictureID: random; the low 15 bits are used.
    public init(firstPictureID: UInt16, firstLayerZeroIndex: UInt8 = 0) {
        pictures = PictureNumbering(first: firstPictureID)
        layerZero = IndexContinuation(first: firstLayerZeroIndex, mask: 0xFF)
    }

    /// The stream goes over to a source whose next picture, a keyframe, is `picture`.
    public mutating func switchSource(to picture: VP9Picture) {
        if let pictureID = picture.pictureID { pictures.switchSource(at: pictureID) }
        if let index = picture.temporalLayerZeroIndex { layerZero.switchSource(at: index) }
    }

    /// What to send in the packets of `picture`.
    public mutating func rewrite(_ picture: VP9Picture) -> VP9Picture {
        var result = picture
        if let pictureID = picture.pictureID {
            result.pictureID = pictures.rewrite(pictureID, bits: picture.isLongPictureID ? 15 : 7)
        }
        if let index = picture.temporalLayerZeroIndex { result.temporalLayerZeroIndex = layerZero.rewrite(index) }
        return result
    }
}
