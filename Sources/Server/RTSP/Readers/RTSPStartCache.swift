import RTP
import Wire

/// The packets of a video track since its last keyframe, as its readers got them, so that a reader that comes later
/// need not wait for the next one: cameras cannot be asked for it. What readers that are still beginning have not got yet
/// of the time before stays here too, once for all of them.
///
/// A start is sent with compressed timestamps: a player decodes up to the live edge and plays on from there, instead
/// of staying behind by the age of the keyframe. H.265's pictures that only those can decode who know what came before
/// the keyframe are left out, and the numbers of the packets before them close the gap.
struct RTSPStartCache {
    /// What a group may have; who comes behind more than that waits for the next keyframe.
    static let maximumBytes = 4 << 20
    static let maximumPackets = 4_096
    /// What may be held together with what readers that are beginning have not got.
    static let maximumHeldBytes = 2 * maximumBytes
    static let maximumHeldPackets = 2 * maximumPackets
    /// What the time between two packets is divided by.
    private static let compression: Int32 = 16

    private struct Packet {
        /// Where it ends in ``bytes``.
        var end: Int
        var isSkippedLeading = false
    }

    /// Whether pictures may still come that a reader which begins at the group's keyframe does not get.
    private enum Leading { case unknown, expected, over }

    /// Whether readers may have to wait until what they are not to get is known.
    let tellsLeading: Bool
    private var bytes: [UInt8] = []
    private var packets: [Packet] = []
    /// The place of the first packet that is held, counted from the first of all.
    private var firstPosition = 0
    /// The place of the last keyframe's first packet; nil when there is no group to begin with.
    private var groupPosition: Int?
    private var leading = Leading.over
    /// Packets of the group that are left out of a start.
    private var skippedCount: UInt16 = 0
    private var skippedTimestamp: UInt32?
    /// What the readers that are beginning still need.
    private var neededPosition: Int?
    /// The packet that is lent.
    private var scratch: [UInt8] = []

    /// - Parameter isH265: whether pictures come that are left out of a start.
    init(isH265: Bool = false) { tellsLeading = isH265 }

    // MARK: packets in

    mutating func append(_ packet: RawSpan, payload: Range<Int>, startsKeyframe: Bool) {
        let timestamp = timestamp(of: packet)
        let role = tellsLeading ? H265PictureRole(packet.extracting(payload)) : nil
        if startsKeyframe, timestamp != lastTimestamp {
            // Between two such keyframes there may be nothing but leading pictures: then one starts with the first of them.
            if groupPosition != nil, leading == .expected { leading = .over } else { beginGroup() }
        }
        guard groupPosition != nil || neededPosition != nil, makeRoom(for: packet.byteCount) else { return }
        if groupPosition != nil { note(role, timestamp) }
        bytes.append(contentsOf: packet)
        packets.append(
            Packet(end: bytes.count, isSkippedLeading: leading == .expected && timestamp == skippedTimestamp))
    }

    private mutating func beginGroup() {
        if neededPosition == nil { removeHeld() }
        groupPosition = endPosition
        leading = tellsLeading ? .unknown : .over
        skippedCount = 0
        skippedTimestamp = nil
    }

    /// Takes note of what a packet of the group tells about its leading pictures.
    private mutating func note(_ role: H265PictureRole?, _ timestamp: UInt32?) {
        switch (leading, role) {
        case (.unknown, .openRandomAccess): leading = .expected
        case (.unknown, .some): leading = .over
        case (.expected, .trailing): leading = .over
        case (.expected, .skippedLeading) where timestamp != skippedTimestamp:
            skippedTimestamp = timestamp
            skipBackwards(timestamp)
        default: break
        }
        if leading == .expected, timestamp == skippedTimestamp { skippedCount &+= 1 }
    }

    /// What came of the same picture before its first slice belongs to it.
    private mutating func skipBackwards(_ timestamp: UInt32?) {
        guard let groupPosition else { return }
        var index = packets.count - 1
        while index >= groupPosition - firstPosition, self.timestamp(ofPacketAt: index) == timestamp {
            packets[index].isSkippedLeading = true
            skippedCount &+= 1
            index -= 1
        }
    }

    /// Keeps both bounds: first the group is given up, then everything.
    private mutating func makeRoom(for size: Int) -> Bool {
        if let groupPosition {
            let isTooLarge = groupByteCount + size > Self.maximumBytes
            if isTooLarge || endPosition - groupPosition >= Self.maximumPackets {
                self.groupPosition = nil
                freeUnneeded()
            }
        }
        guard groupPosition != nil || neededPosition != nil else { return false }
        if bytes.count + size > Self.maximumHeldBytes || packets.count >= Self.maximumHeldPackets {
            removeAll()
            return false
        }
        return true
    }

    mutating func removeAll() {
        groupPosition = nil
        removeHeld()
    }

    private mutating func removeHeld() {
        firstPosition = endPosition
        bytes.removeAll(keepingCapacity: true)
        packets.removeAll(keepingCapacity: true)
    }

    /// Tells from where on the readers that are beginning need what is held; nil when there are none.
    mutating func need(from position: Int?) {
        neededPosition = position
        freeUnneeded()
    }

    /// Frees what nobody needs once it is half of what is held, so that every byte is moved once more at most on average.
    private mutating func freeUnneeded() {
        let needed = min(groupPosition ?? endPosition, neededPosition ?? endPosition)
        let count = needed - firstPosition
        guard count > 0 else { return }
        guard count < packets.count else { return removeHeld() }
        let size = packets[count - 1].end
        guard neededPosition == nil || size >= bytes.count / 2 else { return }
        bytes.removeSubrange(..<size)
        packets.removeSubrange(..<count)
        for index in packets.indices { packets[index].end -= size }
        firstPosition = needed
    }

    // MARK: packets out

    /// Behind the last packet.
    var endPosition: Int { firstPosition + packets.count }

    /// Whether a reader can begin now.
    var canBegin: Bool { groupPosition != nil && leading == .over }

    /// Packets and bytes of the group that a reader can begin with.
    var packetCount: Int { canBegin ? endPosition - (groupPosition ?? endPosition) - Int(skippedCount) : 0 }
    var byteCount: Int { canBegin ? groupByteCount : 0 }

    /// Bytes that are held for those who begin later, and for those who are beginning.
    var heldByteCount: Int { bytes.count }

    private var groupByteCount: Int { bytes.count - (groupPosition.map { start(of: $0 - firstPosition) } ?? 0) }

    /// From the first packet's time to the last one's, in ticks of the track's clock.
    var duration: UInt32 {
        guard canBegin, let groupPosition, let last = lastTimestamp,
            let first = timestamp(ofPacketAt: groupPosition - firstPosition)
        else { return 0 }
        return UInt32(max(0, Int32(bitPattern: last &- first)))
    }

    /// How far one reader is that begins with the group.
    struct Cursor {
        fileprivate(set) var position: Int
        /// Behind what was there when it began: until there times are compressed, and pictures left out.
        fileprivate let startEnd: Int
        fileprivate let last: UInt32
        /// By how much numbers are moved on, because of packets that are still to be left out.
        fileprivate var shift: UInt16
    }

    /// Where a reader that comes now begins; nil when there is nothing to begin with.
    func begin() -> Cursor? {
        guard canBegin, let groupPosition, let last = lastTimestamp else { return nil }
        return Cursor(position: groupPosition, startEnd: endPosition, last: last, shift: skippedCount)
    }

    /// Packets that have come since a reader began.
    func arrivedCount(since cursor: Cursor) -> Int { endPosition - cursor.startEnd }

    /// Whether the group is the last `count` packets that came, and nothing of it is left out.
    func groupIsLatest(_ count: Int) -> Bool { canBegin && skippedCount == 0 && packetCount == count }

    /// Whether what a reader needs next is no longer held.
    func hasLost(_ cursor: Cursor) -> Bool { cursor.position < firstPosition }

    /// Lends the next packet as it is to be sent to that reader; `false` when there is none yet.
    mutating func lendNext(_ cursor: inout Cursor, _ body: (RawSpan) -> Void) -> Bool {
        while !hasLost(cursor), cursor.position < endPosition {
            let index = cursor.position - firstPosition
            let isOfStart = cursor.position < cursor.startEnd
            cursor.position += 1
            if isOfStart, packets[index].isSkippedLeading {
                cursor.shift &-= 1
                continue
            }
            let range = start(of: index)..<packets[index].end
            if isOfStart {
                lendStart(range, cursor, body)
            } else {
                bytes.withBytes { body($0.extracting(range)) }
            }
            return true
        }
        return false
    }

    private mutating func lendStart(_ range: Range<Int>, _ cursor: Cursor, _ body: (RawSpan) -> Void) {
        scratch.removeAll(keepingCapacity: true)
        bytes.withBytes { scratch.append(contentsOf: $0.extracting(range)) }
        if let number = scratch.withBytes({ $0.integer(at: 2, as: UInt16.self) }), scratch.count >= 8 {
            let own = scratch.withBytes { timestamp(of: $0) } ?? cursor.last
            scratch.set(bigEndian: number &+ cursor.shift, at: 2)
            scratch.set(bigEndian: compressed(own, last: cursor.last), at: 4)
        }
        scratch.withBytes(body)
    }

    /// Lends everything that a reader which begins now is sent.
    mutating func lendEach(_ body: (RawSpan) -> Void) {
        guard var cursor = begin() else { return }
        while lendNext(&cursor, body) {}
    }

    /// Number and time stamp of the first packet, as it is to be sent now.
    var first: (sequenceNumber: UInt16, timestamp: UInt32)? {
        guard let cursor = begin() else { return nil }
        let index = cursor.position - firstPosition
        return bytes.withBytes { bytes in
            let packet = bytes.extracting(start(of: index)..<packets[index].end)
            guard let number = packet.integer(at: 2, as: UInt16.self), let own = timestamp(of: packet) else {
                return nil
            }
            return (number &+ cursor.shift, compressed(own, last: cursor.last))
        }
    }

    private func compressed(_ timestamp: UInt32, last: UInt32) -> UInt32 {
        last &- UInt32(bitPattern: Int32(bitPattern: last &- timestamp) / Self.compression)
    }

    private func start(of index: Int) -> Int { index > 0 && index <= packets.count ? packets[index - 1].end : 0 }

    private var lastTimestamp: UInt32? { packets.isEmpty ? nil : timestamp(ofPacketAt: packets.count - 1) }

    private func timestamp(ofPacketAt index: Int) -> UInt32? {
        guard packets.indices.contains(index) else { return nil }
        return bytes.withBytes { timestamp(of: $0.extracting(start(of: index)..<packets[index].end)) }
    }

    private func timestamp(of packet: RawSpan) -> UInt32? { packet.integer(at: 4) }
}
