public import Codecs

/// What forwarding needs to know of one packet's payload, the same for every codec.
///
/// It is read from this packet alone. H.264, H.265 and AV1 do not mark the first packet of a frame: there
/// ``startsFrame`` and ``isKeyframeStart`` may be set on several packets with the frame's timestamp (parameter sets
/// sent on their own, then the first slice); the first of them is the frame's first.
public struct PayloadSummary: Hashable, Sendable {
    /// The payload begins a frame, or with VP9 a spatial layer's frame.
    public var startsFrame = false
    /// The payload ends a frame, with VP9 a spatial layer's frame; told by VP9 only.
    public var endsFrame = false
    /// A decoder that knows nothing can begin here.
    public var isKeyframeStart = false
    /// All that the payload holds stands before the slices of its picture: parameter sets, messages, delimiters. No
    /// frame ends with it, whatever its marker says (PAY-5). Told by H.264 and H.265 only.
    public var precedesSlices = false
    /// The payload holds nothing but delimiters and filler, which a decoder does not need (PAY-10).
    public var isFiller = false
    /// A message says that decoding can begin here, though the pictures to come need not be right at once (PAY-12).
    public var isRecoveryPoint = false
    /// The payload holds an SPS, PPS or VPS, or an AV1 sequence header.
    public var hasParameterSets = false
    /// No other frame of the same temporal layer refers to this one (VP8 N, H.264 `nal_ref_idc` 0, H.265 `_N` types).
    public var isDiscardable = false
    /// The frame refers to none of an earlier picture; told by VP9 only.
    public var isIndependent = false
    /// A viewer of lower temporal layers may begin to receive this one here (VP8 Y, VP9 U).
    public var isSwitchingPoint = false
    public var temporalLayer: UInt8?
    public var spatialLayer: UInt8?
    /// The payload lists the spatial layers (VP9 SS).
    public var hasScalabilityStructure = false
    /// The picture's size, where the payload tells it: with keyframes and parameter sets.
    public var resolution: VideoResolution?

    /// Junk, a codec without video frames' structure, or a continuation about which nothing is known.
    public static let unknown = PayloadSummary()

    public init() {}
}
