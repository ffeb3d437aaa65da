/// One picture, or one frame of sound, as a decoder takes it, put together again from RTP payloads.
public struct AccessUnit: Hashable, Sendable {
    /// The memory in which the parts lie. Bytes outside all parts mean nothing.
    public var bytes: [UInt8]
    /// In decoding order: NAL units without start codes, OBUs without size fields, the frames of VP9's spatial layers;
    /// of other codecs there is one part.
    public var parts: [Range<Int>]
    /// The RTP timestamp.
    public var timestamp: UInt32
    /// Decoding can begin here.
    public var isKeyframe: Bool
    /// A message says that decoding can begin here, though the pictures to come need not be right at once: intra refresh
    /// (PAY-12). Told by H.264 and H.265 only.
    public var isRecoveryPoint = false
    /// What a decoder is set up with from this unit on, where the stream itself says so: the AudioSpecificConfig of LATM.
    public var configuration: [UInt8] = []

    public init(bytes: [UInt8], parts: [Range<Int>], timestamp: UInt32, isKeyframe: Bool) {
        self.bytes = bytes
        self.parts = parts
        self.timestamp = timestamp
        self.isKeyframe = isKeyframe
    }

    /// A copy of each part.
    public var partBytes: [[UInt8]] { parts.map { Array(bytes[$0]) } }
}
