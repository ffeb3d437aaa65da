public import Codecs
public import SDP
public import Wire

/// The outcome of an offer: everything the media engine needs to know, and the answer to send back.
public struct NegotiatedSession: Hashable, Sendable {
    public var remoteICEUfrag: String
    public var remoteICEPassword: String
    /// Of one algorithm, the strongest that both know. A certificate that matches any of them is the peer's.
    public var remoteFingerprints: [Fingerprint]
    public var remoteCandidates: [ICECandidate]
    public var localDTLSRole: DTLSRole
    /// Accepted sections in the order of the offer. Rejected ones are only in the answer.
    public var sections: [NegotiatedSection]
    public var answer: SessionDescription
    /// What an operator may want to know: media left out and why, profiles sent in spite of the offer.
    public var notes: [String]

    public var answerText: String { answer.text }

    public func section(of kind: MediaKind) -> NegotiatedSection? { sections.first { $0.kind == kind } }
}

/// One accepted media section. All of them share one transport.
public struct NegotiatedSection: Hashable, Sendable {
    /// The position among the `m=` lines.
    public var index: Int
    /// As offered; the index as text when the offer gave none.
    public var mid: String
    public var kind: MediaKind
    /// As this server sees it: `recvonly` for publishers, `sendonly` for viewers, `inactive` when the room has no such
    /// track.
    public var direction: MediaDirection
    /// The codecs of the answer; the first is ``codec``.
    public var codecs: [NegotiatedCodec]
    /// Id and URI, ids as the peer chose them.
    public var extensions: [ExtensionMapping]
    /// Whether one-byte and two-byte header extensions may be mixed in a stream.
    public var extmapAllowMixed: Bool
    public var feedback: FeedbackMessages
    public var reducedSizeRTCP: Bool
    /// Simulcast layers in the offered order; empty without simulcast.
    public var simulcastLayers: [Simulcast.Stream]
    /// Announced sources without those that only repair others.
    public var remoteSSRCs: [UInt32]
    /// Layers announced by `a=ssrc-group:SIM`, lowest first; empty without.
    public var legacySimulcastSSRCs: [UInt32]
    public var remoteCNAME: String?
    public var remoteStream: StreamIdentifier?
    /// H264 and H265 parameter sets from the offer, as NAL units without start code.
    public var parameterSets: [[UInt8]]
    /// The most that the peer wants to receive, in bits per second.
    public var maximumBitrate: UInt64?
    /// What this server sends with; nil for publishers.
    public var localSSRC: UInt32?
    /// What this server sends retransmissions with; nil unless they were agreed and it sends.
    public var localRetransmissionSSRC: UInt32?
    /// The SSRC of retransmissions by the announced SSRC that they repair (`a=ssrc-group:FID`).
    public var remoteRetransmissionSSRCs: [UInt32: UInt32]

    public func extensionID(_ uri: String) -> UInt16? { extensions.first { $0.uri == uri }?.id }
}

public struct NegotiatedCodec: Hashable, Sendable {
    public var codec: Codec
    public var payloadType: UInt8
    public var clockRate: UInt32
    public var channels: UInt8?
    /// What the peer said about this payload type.
    public var remoteParameters: FormatParameters
    /// What the answer says about it.
    public var localParameters: FormatParameters
    /// The payload type of retransmissions (RFC 4588); nil when they were not agreed.
    public var retransmissionPayloadType: UInt8?
}

extension NegotiatedSection {
    /// The codec that media is in.
    public var codec: NegotiatedCodec? { codecs.first }
}

/// The RTCP feedback messages agreed for a section's codec.
public struct FeedbackMessages: OptionSet, Hashable, Sendable {
    public var rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let nack = FeedbackMessages(rawValue: 1)
    public static let nackPLI = FeedbackMessages(rawValue: 2)
    public static let ccmFIR = FeedbackMessages(rawValue: 4)
    public static let transportCC = FeedbackMessages(rawValue: 8)
    public static let remb = FeedbackMessages(rawValue: 16)
    public static let receiverReferenceTime = FeedbackMessages(rawValue: 32)

    init(_ message: RTCPFeedback.Message) {
        switch message {
        case .nack: self = .nack
        case .nackPLI: self = .nackPLI
        case .ccmFIR: self = .ccmFIR
        case .transportCC: self = .transportCC
        case .remb: self = .remb
        case .receiverReferenceTime: self = .receiverReferenceTime
        case .other: self = []
        }
    }
}
