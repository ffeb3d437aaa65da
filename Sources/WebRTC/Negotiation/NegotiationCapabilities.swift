public import Codecs
public import SDP
public import Wire

/// What the server takes from publishers and gives to viewers, as tables.
///
/// An answer never holds anything that has no row here, so what the media engine learns next is added here alone.
public struct NegotiationCapabilities: Sendable {
    /// One header extension (RFC 8285) and where it may be accepted.
    public struct Extension: Sendable {
        public var uri: String
        public var kinds: Set<MediaKind>
        public var fromPublishers: Bool
        public var toViewers: Bool
        /// The codecs it is of use for; nil for all.
        public var codecs: Set<Codec>?
        /// Left out when transport-wide congestion control was accepted for the section.
        public var isReplacedByTransportCC: Bool

        public init(
            _ uri: String, _ kinds: Set<MediaKind> = [.audio, .video], fromPublishers: Bool = true,
            toViewers: Bool = true, codecs: Set<Codec>? = nil, isReplacedByTransportCC: Bool = false
        ) {
            self.codecs = codecs
            self.uri = uri
            self.kinds = kinds
            self.fromPublishers = fromPublishers
            self.toViewers = toViewers
            self.isReplacedByTransportCC = isReplacedByTransportCC
        }
    }

    /// One RTCP feedback message and where it may be accepted.
    public struct Feedback: Sendable {
        public var message: RTCPFeedback.Message
        public var kinds: Set<MediaKind>
        public var fromPublishers: Bool
        public var toViewers: Bool

        public init(
            _ message: RTCPFeedback.Message, _ kinds: Set<MediaKind>, fromPublishers: Bool = true,
            toViewers: Bool = true
        ) {
            self.message = message
            self.kinds = kinds
            self.fromPublishers = fromPublishers
            self.toViewers = toViewers
        }
    }

    public var codecs: [Codec]
    /// Media whose lost packets are sent again on a stream of their own (RFC 4588), where NACK is agreed too.
    public var retransmitted: Set<MediaKind>
    public var extensions: [Extension]
    /// In the order in which answers list them.
    public var feedback: [Feedback]
    /// DTLS-SRTP transports; answers repeat the offered one.
    public var transports: Set<String>
    /// Digests that can be checked, the strongest first.
    public var fingerprintAlgorithms: [String]

    public init(
        codecs: [Codec], retransmitted: Set<MediaKind>, extensions: [Extension], feedback: [Feedback],
        transports: Set<String>, fingerprintAlgorithms: [String]
    ) {
        self.codecs = codecs
        self.retransmitted = retransmitted
        self.extensions = extensions
        self.feedback = feedback
        self.transports = transports
        self.fingerprintAlgorithms = fingerprintAlgorithms
    }

    public static let current = NegotiationCapabilities(
        codecs: [.h264, .h265, .vp8, .vp9, .av1, .opus, .pcmu, .pcma, .g722],
        retransmitted: [.video],
        extensions: [
            Extension(ExtensionURI.mid),
            Extension(ExtensionURI.rid, [.video], toViewers: false),
            Extension(ExtensionURI.repairedRid, [.video], toViewers: false),
            Extension(ExtensionURI.transportWideCC, toViewers: false),
            Extension(ExtensionURI.absSendTime, toViewers: false, isReplacedByTransportCC: true),
            Extension(ExtensionURI.audioLevel, [.audio]),
            Extension(ExtensionURI.videoOrientation, [.video]),
            Extension(ExtensionURI.playoutDelay, [.video]),
            Extension(ExtensionURI.absCaptureTime),
            Extension(ExtensionURI.colorSpace, [.video]),
            // VP8 and VP9 tell their layers in their own payloads.
            Extension(ExtensionURI.dependencyDescriptor, [.video], codecs: [.av1, .h264, .h265]),
        ],
        feedback: [
            Feedback(.nack, [.video]),
            Feedback(.nackPLI, [.video]),
            Feedback(.ccmFIR, [.video]),
            Feedback(.transportCC, [.audio, .video], toViewers: false),
            Feedback(.remb, [.video], toViewers: false),
            // Publishers learn their round trip from receiver reports.
            Feedback(.receiverReferenceTime, [.video], fromPublishers: false),
        ],
        transports: [
            "UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "TCP/DTLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP",
        ],
        fingerprintAlgorithms: ["sha-512", "sha-384", "sha-256"])
}

/// Names of header extensions as they stand in `a=extmap`.
public enum ExtensionURI {
    public static let mid = "urn:ietf:params:rtp-hdrext:sdes:mid"
    public static let rid = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
    public static let repairedRid = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
    public static let transportWideCC =
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    public static let absSendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
    public static let audioLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
    public static let videoOrientation = "urn:3gpp:video-orientation"
    public static let playoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
    public static let absCaptureTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
    public static let colorSpace = "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
    public static let dependencyDescriptor =
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
}
