/// One media section: an `m=` line and what belongs to it.
public struct MediaDescription: Hashable, Sendable {
    /// `audio`, `video`, `application` …, as written.
    public var media: String
    public var port: UInt16
    /// The `/n` after the port; nil when there is none.
    public var portCount: UInt16?
    /// The transport protocol as written, for example `UDP/TLS/RTP/SAVPF`.
    public var proto: String
    /// In order of preference; empty when `proto` is not RTP.
    public var payloadTypes: [UInt8] = []
    /// The format list of protocols other than RTP.
    public var formats: [String] = []

    public var connection: ConnectionAddress?
    public var bandwidths: [Bandwidth] = []
    public var mid: String?
    public var direction: MediaDirection?
    public var transport = TransportAttributes()
    public var hasRTCPMux = false
    public var hasRTCPMuxOnly = false
    public var hasReducedSizeRTCP = false
    public var isBundleOnly = false
    public var extensionMappings: [ExtensionMapping] = []
    public var extmapAllowMixed = false
    public var streamIdentifiers: [StreamIdentifier] = []
    public var rtpMaps: [RTPMap] = []
    public var feedback: [RTCPFeedback] = []
    public var formatParameters: [FormatParameterLine] = []
    public var sourceAttributes: [SourceAttribute] = []
    public var sourceGroups: [SourceGroup] = []
    public var restrictionIdentifiers: [RestrictionIdentifier] = []
    public var simulcast: Simulcast?
    public var otherAttributes: [Attribute] = []
    public var candidates: [ICECandidate] = []
    public var hasEndOfCandidates = false

    public init(media: String, port: UInt16, proto: String) {
        self.media = media
        self.port = port
        self.proto = proto
    }

    /// Whether the format list holds RTP payload types.
    public var isRTP: Bool { proto.split(separator: "/").contains("RTP") }

    /// The mapping of `payloadType`: its `a=rtpmap`, else the static assignment of RFC 3551.
    public func rtpMap(for payloadType: UInt8) -> RTPMap? {
        rtpMaps.first { $0.payloadType == payloadType } ?? RTPMap.staticAssignment(of: payloadType)
    }

    /// The parameters of `payloadType`, empty when it has none.
    public func parameters(for payloadType: UInt8) -> FormatParameters {
        guard let line = formatParameters.first(where: { $0.payloadType == payloadType }) else { return .init() }
        return FormatParameters(line.text)
    }
}
