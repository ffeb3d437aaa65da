import Wire

/// Sets the markers of a video stream whose sender sets none (PAY-5: FLIR cameras), without which browsers never see the
/// end of a frame.
///
/// Only the next packet tells whether a packet was its frame's last one. So of such a stream, once it is known for one,
/// each packet waits for the next: the last of a frame for the time of one frame.
public struct MarkerRepair: Sendable {
    /// Pictures in a row without a marker that make a stream one of these; losses alone do not.
    static let pictures = 4

    private var timestamp: UInt32?
    private var hasMarker = false
    private var withoutMarker = 0
    private var held: [UInt8] = []
    private var heldHeader: RTPHeader?
    /// Markers that were set.
    public private(set) var repairs: UInt64 = 0

    public init() {}

    /// Takes a packet of the stream.
    ///
    /// - Parameter body: is lent what goes on now, the packet or the one before it, with the header that counts.
    public mutating func receive(_ packet: RawSpan, header: RTPHeader, _ body: (RawSpan, RTPHeader) -> Void) {
        if let timestamp, timestamp != header.timestamp {
            withoutMarker = hasMarker ? 0 : min(withoutMarker + 1, Self.pictures)
            hasMarker = false
        }
        timestamp = header.timestamp
        if header.marker {
            hasMarker = true
            withoutMarker = 0
        }
        if var before = heldHeader {
            heldHeader = nil
            if before.timestamp != header.timestamp, before.ssrc == header.ssrc {
                before.marker = true
                repairs &+= 1
            }
            held.withBytes { body($0, before) }
        }
        guard withoutMarker == Self.pictures else { return body(packet, header) }
        held.removeAll(keepingCapacity: true)
        held.append(contentsOf: packet)
        heldHeader = header
    }
}
