/// `a=rtpmap:` (RFC 8866, section 6.6).
public struct RTPMap: Hashable, Sendable {
    public var payloadType: UInt8
    /// As written: names compare without regard to case.
    public var encodingName: String
    public var clockRate: UInt32
    /// nil when not given, which means 1 for audio.
    public var channels: UInt8?

    public init(payloadType: UInt8, encodingName: String, clockRate: UInt32, channels: UInt8? = nil) {
        self.payloadType = payloadType
        self.encodingName = encodingName
        self.clockRate = clockRate
        self.channels = channels
    }

    /// What a payload type below 96 means without a mapping (RFC 3551, tables 4 and 5).
    public static func staticAssignment(of payloadType: UInt8) -> RTPMap? {
        guard let entry = staticAssignments.first(where: { $0.payloadType == payloadType }) else { return nil }
        return entry
    }

    private static let staticAssignments = [
        RTPMap(payloadType: 0, encodingName: "PCMU", clockRate: 8_000),
        RTPMap(payloadType: 3, encodingName: "GSM", clockRate: 8_000),
        RTPMap(payloadType: 4, encodingName: "G723", clockRate: 8_000),
        RTPMap(payloadType: 5, encodingName: "DVI4", clockRate: 8_000),
        RTPMap(payloadType: 6, encodingName: "DVI4", clockRate: 16_000),
        RTPMap(payloadType: 7, encodingName: "LPC", clockRate: 8_000),
        RTPMap(payloadType: 8, encodingName: "PCMA", clockRate: 8_000),
        RTPMap(payloadType: 9, encodingName: "G722", clockRate: 8_000),
        RTPMap(payloadType: 10, encodingName: "L16", clockRate: 44_100, channels: 2),
        RTPMap(payloadType: 11, encodingName: "L16", clockRate: 44_100),
        RTPMap(payloadType: 12, encodingName: "QCELP", clockRate: 8_000),
        RTPMap(payloadType: 13, encodingName: "CN", clockRate: 8_000),
        RTPMap(payloadType: 14, encodingName: "MPA", clockRate: 90_000),
        RTPMap(payloadType: 15, encodingName: "G728", clockRate: 8_000),
        RTPMap(payloadType: 16, encodingName: "DVI4", clockRate: 11_025),
        RTPMap(payloadType: 17, encodingName: "DVI4", clockRate: 22_050),
        RTPMap(payloadType: 18, encodingName: "G729", clockRate: 8_000),
        RTPMap(payloadType: 25, encodingName: "CelB", clockRate: 90_000),
        RTPMap(payloadType: 26, encodingName: "JPEG", clockRate: 90_000),
        RTPMap(payloadType: 28, encodingName: "nv", clockRate: 90_000),
        RTPMap(payloadType: 31, encodingName: "H261", clockRate: 90_000),
        RTPMap(payloadType: 32, encodingName: "MPV", clockRate: 90_000),
        RTPMap(payloadType: 33, encodingName: "MP2T", clockRate: 90_000),
        RTPMap(payloadType: 34, encodingName: "H263", clockRate: 90_000),
    ]
}

/// `a=fmtp:`, its parameters still as text.
public struct FormatParameterLine: Hashable, Sendable {
    public var payloadType: UInt8
    public var text: String

    public init(payloadType: UInt8, text: String) {
        self.payloadType = payloadType
        self.text = text
    }
}

/// `a=rtcp-fb:` (RFC 4585, section 4.2).
public struct RTCPFeedback: Hashable, Sendable {
    public enum Message: Hashable, Sendable {
        case nack
        case nackPLI
        case ccmFIR
        case transportCC
        case remb
        case receiverReferenceTime
        case other(String)

        /// The text after the payload type.
        public var text: String {
            switch self {
            case .nack: "nack"
            case .nackPLI: "nack pli"
            case .ccmFIR: "ccm fir"
            case .transportCC: "transport-cc"
            case .remb: "goog-remb"
            case .receiverReferenceTime: "rrtr"
            case .other(let text): text
            }
        }
    }

    /// nil stands for `*`, all payload types of the section.
    public var payloadType: UInt8?
    public var message: Message

    public init(payloadType: UInt8?, _ message: Message) {
        self.payloadType = payloadType
        self.message = message
    }
}

/// `a=extmap:` (RFC 8285, section 5).
public struct ExtensionMapping: Hashable, Sendable {
    public var id: UInt16
    /// nil when the line names none, which means the direction of the section.
    public var direction: MediaDirection?
    public var uri: String
    /// The extension attributes after the URI, as text.
    public var parameters: String?

    public init(id: UInt16, direction: MediaDirection? = nil, uri: String, parameters: String? = nil) {
        self.id = id
        self.direction = direction
        self.uri = uri
        self.parameters = parameters
    }
}

/// `a=msid:` (RFC 8830).
public struct StreamIdentifier: Hashable, Sendable {
    /// `-` when the track belongs to no stream.
    public var stream: String
    public var track: String?

    public init(stream: String, track: String?) {
        self.stream = stream
        self.track = track
    }
}

/// `a=ssrc:` (RFC 5576), one attribute of one source.
public struct SourceAttribute: Hashable, Sendable {
    public var ssrc: UInt32
    public var name: String
    public var value: String?

    public init(ssrc: UInt32, name: String, value: String? = nil) {
        self.ssrc = ssrc
        self.name = name
        self.value = value
    }
}

/// `a=ssrc-group:` (RFC 5576), for example `FID` (retransmission) or the older `SIM` (simulcast layers).
public struct SourceGroup: Hashable, Sendable {
    public var semantics: String
    public var ssrcs: [UInt32]

    public init(semantics: String, ssrcs: [UInt32]) {
        self.semantics = semantics
        self.ssrcs = ssrcs
    }
}

/// `a=rid:` (RFC 8851).
public struct RestrictionIdentifier: Hashable, Sendable {
    public var id: String
    public var isSend: Bool
    /// The `pt=` list; empty allows all payload types of the section.
    public var payloadTypes: [UInt8]
    /// Restrictions other than `pt`, as text.
    public var restrictions: String?

    public init(id: String, isSend: Bool, payloadTypes: [UInt8] = [], restrictions: String? = nil) {
        self.id = id
        self.isSend = isSend
        self.payloadTypes = payloadTypes
        self.restrictions = restrictions
    }
}

/// `a=simulcast:` (RFC 8853): streams in order, each with its alternatives.
public struct Simulcast: Hashable, Sendable {
    public struct Stream: Hashable, Sendable {
        public var rid: String
        /// Written with a leading `~`: announced, but not sent at first.
        public var isPaused: Bool

        public init(rid: String, isPaused: Bool = false) {
            self.rid = rid
            self.isPaused = isPaused
        }
    }

    public var send: [[Stream]]
    public var receive: [[Stream]]

    public init(send: [[Stream]] = [], receive: [[Stream]] = []) {
        self.send = send
        self.receive = receive
    }
}
