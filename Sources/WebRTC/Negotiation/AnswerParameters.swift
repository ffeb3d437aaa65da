public import Codecs
public import SDP

/// Who offers: someone who sends media to a room, or someone who wants to see it.
public enum NegotiationRole: Hashable, Sendable {
    case publish
    /// The room's tracks, at most one of a kind. A kind without a track is answered `inactive`.
    case view([AvailableTrack])
}

/// What a room can send to a viewer.
public struct AvailableTrack: Hashable, Sendable {
    public var codec: Codec
    /// What the stream is, in the words of its `fmtp` line: `profile-level-id` and `packetization-mode` of H264,
    /// `profile-id` of VP9 and H265, `profile` of AV1, `stereo` or `sprop-stereo` of Opus. Where the stream itself
    /// says more than its publisher did (the SPS of H264), the caller puts that here.
    public var parameters: FormatParameters

    public init(codec: Codec, parameters: FormatParameters = FormatParameters()) {
        self.codec = codec
        self.parameters = parameters
    }
}

public enum DTLSRole: Hashable, Sendable { case client, server }

/// What the server brings to an answer: identity, addresses and policy. Nothing in an answer comes from elsewhere
/// than the offer and this value.
public struct AnswerParameters: Sendable {
    public var iceUfrag: String
    public var icePassword: String
    /// SHA-256 of the server's DTLS certificate.
    public var fingerprintSHA256: [UInt8]
    /// The best one first. Its address stands in the `m=` and `c=` lines.
    public var candidates: [ICECandidate]
    public var sessionID: UInt64
    /// To be raised when a later answer of the same session differs.
    public var sessionVersion: UInt64 = 1
    /// The role taken when the offer leaves the choice (`actpass`).
    public var preferredDTLSRole: DTLSRole = .server

    /// The codecs a publisher may use, in the server's order; nil takes all, in the publisher's order.
    public var codecPreferences: [Codec]?
    /// Asked of publishers by `b=` in the video section, in bits per second.
    public var maximumVideoBitrate: UInt64?

    /// The stream name that viewers see in `a=msid`.
    public var streamID = "martlet"
    public var cname = "martlet"
    public var audioSSRC: UInt32?
    public var videoSSRC: UInt32?
    /// For retransmissions of video to viewers that take them on a stream of their own.
    public var videoRetransmissionSSRC: UInt32?
    /// Whether an H264 stream goes to a viewer that offers only lower profiles than the stream's. Browsers decode
    /// more than they offer, so most often it plays.
    public var forcesH264Profile = true

    public init(
        iceUfrag: String, icePassword: String, fingerprintSHA256: [UInt8], candidates: [ICECandidate],
        sessionID: UInt64
    ) {
        self.iceUfrag = iceUfrag
        self.icePassword = icePassword
        self.fingerprintSHA256 = fingerprintSHA256
        self.candidates = candidates
        self.sessionID = sessionID
    }
}
