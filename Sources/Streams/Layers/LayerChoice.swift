/// What of a track one viewer gets: an encoding, and of it everything up to a spatial and a temporal layer.
public struct LayerChoice: Hashable, Sendable {
    /// Stands for the highest layer there is, whichever that is at the moment.
    public static let topmost: UInt8 = 7

    /// Which simulcast encoding, in the order of the publisher's description; 0 without simulcast.
    public var encoding: Int
    /// Spatial layers up to this one pass.
    public var spatialLayer: UInt8
    /// Temporal layers up to this one pass.
    public var temporalLayer: UInt8

    public init(encoding: Int, spatialLayer: UInt8 = topmost, temporalLayer: UInt8 = topmost) {
        self.encoding = encoding
        self.spatialLayer = spatialLayer
        self.temporalLayer = temporalLayer
    }

    /// The encoding as a bit of a set.
    var bit: UInt64 { encoding < TrackLayers.maximumEncodings ? 1 << UInt64(encoding) : 0 }
}

/// What a viewer wants of a track, chosen by hand: nothing above any of these, and the best its link carries below.
/// nil leaves that side to the link alone.
public struct LayerPreference: Hashable, Sendable {
    public static let automatic = LayerPreference()

    /// An encoding by its index; better ones are not sent.
    public var encoding: Int?
    /// What the publisher calls that encoding, so that it is found again after the publisher began anew; empty without.
    var encodingName = ""
    public var spatialLayer: UInt8?
    public var temporalLayer: UInt8?
    public var maximumWidth: Int?
    public var maximumHeight: Int?
    public var maximumBitsPerSecond: UInt64?

    public init() {}

    /// The publisher began anew with these encodings. When the one that is wanted is not among them, the rest decides
    /// until it comes back.
    mutating func follow(_ names: [String]) {
        guard !encodingName.isEmpty else { return }
        encoding = names.firstIndex(of: encodingName)
    }
}

/// One thing a viewer can choose, as it is being received now.
public struct LayerDescription: Hashable, Sendable {
    public var encoding: Int
    /// The encoding's name in the publisher's description (RFC 8851); empty when it has none.
    public var rid: String
    public var spatialLayer: UInt8
    public var temporalLayer: UInt8
    /// nil while no keyframe has told it.
    public var width: Int?
    public var height: Int?
    /// What a viewer of this layer gets, the layers below it included; measured over two seconds.
    public var bitsPerSecond: UInt64
    /// Whether packets of it are arriving.
    public var isActive: Bool
}

/// What one viewer asked for and gets.
public struct ViewerLayers: Hashable, Sendable {
    public var preference: LayerPreference
    /// What is being forwarded; nil while the viewer waits for a keyframe.
    public var current: LayerChoice?
    /// What is to be forwarded, from the next point on at which a decoder can follow.
    public var target: LayerChoice
}
