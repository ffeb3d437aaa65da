import RTP
import Wire

/// One received packet of a run: its parsed header and what the track found out about it, once for all viewers.
struct RunEntry {
    var header: RTPHeader
    var layer: Int
    var summary: PayloadSummary
    /// Which layers of the encoding the packet's frame belongs to; 0 where it has none or they cannot be told apart.
    var spatialLayer: UInt8 = 0
    var temporalLayer: UInt8 = 0
    /// From the dependency descriptor; nil without one and when its structure is missing.
    var dependency: FrameDependency?
    /// The number in the dependency descriptor.
    var frameNumber: UInt16?
    /// When the media was captured, on the server's clock; its arrival when the publisher's clock is not known.
    var captured: Instant
    /// Where the packet's extensions lie.
    var extensions: HeaderExtensionIndex
    /// Where the packet lies in the track's history; negative when it is not kept.
    var position: Int64 = -1
    var arrival = Instant(nanoseconds: 0)
    /// Made here, of parameter sets, for viewers that begin at the keyframe it precedes; nobody else gets it.
    var isInserted = false
    /// Whether nothing of its encoding came that stands behind it in the publisher's order; false where that is not known.
    var isInOrder = false
    /// Of a keyframe's first packet that is late: where the first by arrival lies of those that stand behind it;
    /// negative where that has not been looked for.
    var firstPosition: Int64 = -1
    /// Of a packet that came before the first of its keyframe: where that one lies. It comes again behind it, for viewers that
    /// begin there; negative for all others.
    var repeatedBehind: Int64 = -1
    /// Of a keyframe's first packet: whether what came before it has been repeated already, behind another packet at which
    /// a viewer could begin, and does not come again. Who began here would get no more of the keyframe.
    var isBehindItsRepeats = false
    /// When the media was captured, as NTP time on the server's clock; nil where viewers need not be told again.
    var captureTime: UInt64?
}

/// The packets a track received in the current turn, kept until the turn ends so that they are forwarded
/// viewer by viewer: one viewer's packets then lie side by side and leave as one message.
struct PacketRun: ~Copyable {
    /// More than a turn's worth of one track: 64 datagrams of 1500 bytes, several times over.
    static let byteCapacity = 512 * 1024
    static let packetCapacity = 512

    private var bytes = PacketBatch(byteCapacity: byteCapacity, packetCapacity: packetCapacity)
    private(set) var entries: [RunEntry] = []

    init() { entries.reserveCapacity(Self.packetCapacity) }

    var isEmpty: Bool { entries.isEmpty }

    /// Copies `packet` into the run; `false` when the run is full.
    mutating func append(_ packet: RawSpan, _ entry: RunEntry) -> Bool {
        guard entries.count < Self.packetCapacity, bytes.append(copying: packet) else { return false }
        entries.append(entry)
        return true
    }

    mutating func removeAll() {
        bytes.removeAll()
        entries.removeAll(keepingCapacity: true)
    }

    func lendEach(_ body: (RunEntry, RawSpan) -> Void) {
        for index in entries.indices {
            bytes.withPacket(at: index) { body(entries[index], $0) }
        }
    }
}
