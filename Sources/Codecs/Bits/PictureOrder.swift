import Wire

/// When a picture is shown among those around it.
public struct PictureOrder: Hashable, Sendable {
    /// The picture order count: a greater one is shown later. Of two fields in one access unit the lesser.
    public var count: Int64
    /// Counts of earlier pictures cannot be compared with this one and those that follow it; all of them are shown before.
    public var startsSequence: Bool
    /// The access unit is one field, and another one completes the frame.
    public var isSingleField: Bool

    public init(count: Int64, startsSequence: Bool, isSingleField: Bool = false) {
        self.count = count
        self.startsSequence = startsSequence
        self.isSingleField = isSingleField
    }
}

/// Reads the order of pictures from the NAL units of a stream.
public protocol PictureOrderReader: Sendable {
    /// Takes the next NAL unit, without start code; of slices the first bytes are enough.
    mutating func take(_ unit: RawSpan)

    /// The access unit is over.
    ///
    /// - Returns: nil when it holds no picture, or none whose parameter sets are known and tell the order.
    mutating func endOfUnit() -> PictureOrder?

    /// How many pictures may come before one that is shown earlier, as the stream itself tells; nil while it does not.
    var reorderDepth: Int? { get }
    /// As the stream tells it.
    var frameDuration: FrameDuration? { get }
    /// The stream tells its order in a way that is not read (H.264, `pic_order_cnt_type` 1).
    var isUnsupported: Bool { get }
}
