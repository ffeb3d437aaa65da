public import RTP
public import Wire

/// One RTP source of a publisher: an SSRC that was found to carry one layer of one media section.
struct IngestStream {
    let ssrc: UInt32
    let kind: MediaKind
    let layer: Int
    var statistics: ReceiveStatistics
    var keyframes: KeyframeRequester
    /// nil when the publisher does not send packets again.
    var repair: LossRepair?

    init(
        ssrc: UInt32, kind: MediaKind, layer: Int, clockRate: UInt32, keyframes: KeyframeRequester, isRepairable: Bool
    ) {
        self.ssrc = ssrc
        self.kind = kind
        self.layer = layer
        self.keyframes = keyframes
        statistics = ReceiveStatistics(clockRate: clockRate)
        repair = isRepairable ? LossRepair() : nil
    }
}

/// Packets of a publisher that went nowhere, by cause.
public struct IngestDropCounters: Hashable, Sendable {
    public var malformed: UInt64 = 0
    /// A payload type that was not negotiated (RTP-12).
    public var unknownPayloadType: UInt64 = 0
    /// An SSRC that belongs to no media section, or one too many.
    public var unknownSource: UInt64 = 0
    public var duplicates: UInt64 = 0
    /// Padding that probes the link before media starts (RTP-6).
    public var probes: UInt64 = 0

    public init() {}
}

/// A media packet that belongs to a track.
public struct IngestedPacket: Sendable {
    public var header: RTPHeader
    public var kind: MediaKind
    public var layer: Int
}

/// What a publisher's RTCP says that its tracks care about.
public enum IngestControl: Hashable, Sendable {
    case senderReport(SenderReport, kind: MediaKind, layer: Int)
    /// The publisher announced the end of a source.
    case goodbye(kind: MediaKind, layer: Int)
}
