public import RTP
import Wire

/// How one viewer wants one track: what it negotiated, and where its numbering starts.
public struct DownTrackFormat: Sendable {
    public var track: TrackFormat
    public var payloadType: UInt8
    public var ssrc: UInt32
    /// The viewer's header extension ids of this media section, and its MID.
    public var extensions: HeaderExtensionMap
    public var mid: [UInt8]
    /// Random; the sequence number below 32768, so that SRTP's roll-over counter starts at 0 on both sides.
    public var firstSequenceNumber: UInt16
    public var firstTimestamp: UInt32
    /// The canonical name in sender reports; the same for a viewer's audio and video.
    public var canonicalName: String
    /// How the viewer gets packets again that it lost; nil when it cannot ask for them.
    public var repair: Repair?
    /// How long the viewer is asked to hold video back; nil leaves that to the publisher.
    public var playoutDelay: PlayoutDelay?
    /// The longest that the viewer is asked to hold video back so that what is sent again comes in time; 0 for never.
    public var repairDelayMilliseconds = 0
    /// Whether the viewer is told by a BYE that the source is gone for now. Some readers take it for the end.
    public var saysGoodbye = true

    /// Whether the viewer gets no delimiters and no filler (PAY-10).
    public var removesFiller = false

    /// The stream's parameter sets as the viewer was told them beforehand, as NAL units without start code: as long as they
    /// are the stream's, it needs none before its first keyframe.
    public var toldParameterSets: [[UInt8]] = []

    /// How lost packets are sent again.
    public enum Repair: Hashable, Sendable {
        /// Byte for byte, with the sequence number they had.
        case sameStream
        /// Inside packets of a stream for retransmissions (RFC 4588), which has sequence numbers of its own.
        case ownStream(payloadType: UInt8, ssrc: UInt32, firstSequenceNumber: UInt16)
    }

    public init(
        track: TrackFormat, payloadType: UInt8, ssrc: UInt32, extensions: HeaderExtensionMap, mid: [UInt8],
        firstSequenceNumber: UInt16, firstTimestamp: UInt32, canonicalName: String
    ) {
        self.track = track
        self.payloadType = payloadType
        self.ssrc = ssrc
        self.extensions = extensions
        self.mid = mid
        self.firstSequenceNumber = firstSequenceNumber & 0x7FFF
        self.firstTimestamp = firstTimestamp
        self.canonicalName = canonicalName
    }
}
