public import RTP
public import Wire

/// One RTP source of a publisher: an SSRC that was found to carry one layer of one media section.
struct IngestStream {
    let ssrc: UInt32
    let kind: MediaKind
    let layer: Int
    var statistics: ReceiveStatistics
    var keyframes: KeyframeRequester
    /// nil where the publisher does not send lost packets again.
    var losses: NackGenerator?
    /// So much was lost that only a keyframe, which has been requested, can bring the picture back.
    var isLeftToKeyframe = false
    /// Of the packet that was accepted last.
    var latestSequenceNumber: UInt16 = 0
    /// Whether retransmissions were seen to come on a stream of their own.
    var hasRepairStream = false

    init(
        ssrc: UInt32, kind: MediaKind, layer: Int, clockRate: UInt32, keyframes: KeyframeRequester,
        losses: NackGenerator?
    ) {
        self.ssrc = ssrc
        self.kind = kind
        self.layer = layer
        self.keyframes = keyframes
        self.losses = losses
        statistics = ReceiveStatistics(clockRate: clockRate)
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
    /// Of the packet itself, or of the original that was restored from a retransmission.
    public var header: RTPHeader
    public var kind: MediaKind
    public var layer: Int
    /// Whether the bytes are not those received but those of ``IngestEngine/withRestoredPacket(_:)``.
    public var isRestored = false
}

/// What became of the packets that publishers were asked to send again, over all sources.
public struct IngestRepairStatistics: Hashable, Sendable {
    /// Packets asked for, each time counted.
    public var requested: UInt64 = 0
    /// Packets that came after they had been asked for.
    public var repaired: UInt64 = 0
    /// Packets given up.
    public var abandoned: UInt64 = 0
    /// Packets that came on a stream for retransmissions, asked for or not.
    public var retransmissions: UInt64 = 0

    public init() {}

    mutating func add(_ losses: NackGenerator.Statistics) {
        requested &+= losses.requested
        repaired &+= losses.repaired
        abandoned &+= losses.abandoned
    }
}

/// What a publisher's RTCP says that its tracks care about.
public enum IngestControl: Hashable, Sendable {
    case senderReport(SenderReport, kind: MediaKind, layer: Int)
    /// The publisher announced the end of a source.
    case goodbye(kind: MediaKind, layer: Int)
}
