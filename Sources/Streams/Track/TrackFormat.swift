public import Codecs
public import Wire

/// What a track carries, as its publisher negotiated it.
public struct TrackFormat: Hashable, Sendable {
    public struct Parameter: Hashable, Sendable {
        public var name: String
        public var value: String
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public var codec: Codec
    /// The RTP encoding name; says what an opaque codec is.
    public var encodingName: String
    /// Of the RTP timestamps, in Hz.
    public var clockRate: UInt32
    public var channels: Int
    /// Format parameters in the publisher's order (`profile-level-id`, `sprop-stereo` …), names in lower case.
    public var parameters: [Parameter]

    /// - Parameters:
    ///   - encodingName: nil for the codec's own.
    ///   - clockRate: nil for the codec's own.
    public init(
        codec: Codec, channels: Int = 1, parameters: [Parameter] = [], encodingName: String? = nil,
        clockRate: UInt32? = nil
    ) {
        self.codec = codec
        self.encodingName = encodingName ?? codec.rawValue
        self.clockRate = clockRate ?? codec.clockRate
        self.channels = channels
        self.parameters = parameters
    }

    public var kind: MediaKind { codec.kind }

    /// The value of the parameter called `name` (lower case), or nil.
    public subscript(name: String) -> String? { parameters.first { $0.name == name }?.value }

    /// Whether a viewer that negotiated this format can be fed with `other` without negotiating again.
    ///
    /// Only what decides decodability counts: the codec, and for VP9, AV1 and H265 the profile. H264 encoders
    /// announce profiles they do not use (WHIP-Q3), so its profile does not count.
    public func isInterchangeable(with other: TrackFormat) -> Bool {
        guard codec == other.codec else { return false }
        switch codec {
        case .vp9, .h265: return (self["profile-id"] ?? "") == (other["profile-id"] ?? "")
        case .av1: return (self["profile"] ?? "0") == (other["profile"] ?? "0")
        case .otherAudio, .otherVideo:
            return encodingName.lowercased() == other.encodingName.lowercased() && clockRate == other.clockRate
                && channels == other.channels && self["config"] == other["config"]
        default: return true
        }
    }
}
