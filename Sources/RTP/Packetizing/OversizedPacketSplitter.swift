import Codecs
import Wire

/// Makes packets that fit a datagram of those of one stream that do not, as publishers over TCP send them (RTSP-30).
///
/// What fits passes as it came, and costs a look at its first bytes. Sequence numbers go on without gaps: once a packet has become
/// several, those behind it are moved on. Fragments of H.264 and H.265 are put together anew, so that a sender whose
/// packets are a little too large does not cost everybody twice as many.
public struct OversizedPacketSplitter: Sendable {
    public struct Statistics: Hashable, Sendable {
        /// Packets that were too large, and what became of them.
        public var oversized: UInt64 = 0
        public var pieces: UInt64 = 0
        /// Packets that were too large and could not be cut: their format is not known, or they came too late. They
        /// pass as they came.
        public var uncut: UInt64 = 0

        public init() {}
    }

    /// Bytes of a datagram's largest RTP packet: what is left of 1500 for extensions, an authentication tag and the
    /// headers of UDP and IPv6.
    public static let defaultMaximumSize = 1_400

    /// The data of a NAL unit's fragments that has come and not gone out.
    private struct Held: Sendable {
        var bytes: [UInt8] = []
        var unit = FragmentedUnit(first: 0, second: 0, isFirst: false, isLast: false)
        /// As the sender calls it.
        var source = FragmentedUnit(first: 0, second: 0, isFirst: false, isLast: false)
        var isActive = false
        /// Whether there are start codes in it.
        var isByteStream = false
        /// The header of the latest packet whose data it is, read and as it came.
        var header: RTPHeader?
        var headerBytes: [UInt8] = []
    }

    /// How far numbers are moved on from a packet on.
    private struct Shift: Sendable {
        var after: UInt16
        var former: UInt16
        var offset: UInt16
    }

    private var splitter: PayloadSplitter
    private let units: NALUnitSplitter?
    private let maximumSize: Int
    private var scratch: [UInt8] = []
    private var packet: [UInt8] = []
    private var held = Held()
    private var newest: UInt16?
    private var ssrc: UInt32?
    private var offset: UInt16 = 0
    /// The latest changes of ``offset``, for packets that come late.
    private var shifts: [Shift] = []
    private static let maximumShifts = 64
    /// The longest start code and a byte of the unit before it, so that one is left to end with.
    private static let startCodeReserve = 5
    public private(set) var statistics = Statistics()

    public init(_ description: PayloadDescription, maximumSize: Int = defaultMaximumSize) {
        splitter = PayloadSplitter(description)
        self.maximumSize = maximumSize
        switch splitter.format {
        case .h264: units = .h264
        case .h265: units = .h265
        default: units = nil
        }
    }

    /// A stream of sound turns out to be another than it was described as. Its numbers go on.
    public mutating func refine(_ description: PayloadDescription) { splitter = PayloadSplitter(description) }

    /// Takes a packet of the stream.
    ///
    /// - Parameter body: is lent what is to go on instead, with the header that it has now: where only the number is
    ///   another, the bytes are still those that came.
    public mutating func receive(_ packet: RawSpan, header: RTPHeader, _ body: (RawSpan, RTPHeader) -> Void) {
        let payload = packet.extracting(header.payload)
        // Headers so large that there is no room behind them would have to go out with every piece.
        let mayBeCut = header.headerSize <= maximumSize / 2
        let isToBeCut = mayBeCut && (packet.byteCount > maximumSize || units?.needsRepair(payload) ?? false)
        if begins(header) { forget(header) }
        if let newest, Int16(bitPattern: header.sequenceNumber &- newest) <= 0 { return passLate(packet, header, body) }
        if !isToBeCut, offset == 0, shifts.isEmpty, !held.isActive {
            newest = header.sequenceNumber
            if packet.byteCount > maximumSize { countUncut() }
            return body(packet, header)
        }
        forgetOldShifts()
        let follows = newest.map { $0 &+ 1 == header.sequenceNumber } ?? false
        newest = header.sequenceNumber
        if let units, units.kind(of: payload) == .fragment {
            let unit = units.fragmentedUnit(payload)
            let continues =
                mayBeCut && held.isActive && follows && unit.continues(held.source)
                && held.header?.timestamp == header.timestamp
            if !continues { sendHeld(body) }
            if continues || isToBeCut {
                return sendFragment(units, unit, packet, header, continues: continues, body)
            }
        } else {
            sendHeld(body)
        }
        guard isToBeCut else {
            if packet.byteCount > maximumSize { countUncut() }
            return pass(packet, header, body)
        }
        statistics.oversized &+= packet.byteCount > maximumSize ? 1 : 0
        var count = 0
        let limit = maximumSize - header.headerSize
        var scratch: [UInt8] = []
        swap(&scratch, &self.scratch)
        let wasCut = splitter.split(payload, limit: limit, scratch: &scratch) { piece, place in
            send(
                piece, header, packet.extracting(0..<header.headerSize), count, ticks: place.ticks,
                marker: header.marker && place.takesMarker, body)
            count += 1
        }
        swap(&scratch, &self.scratch)
        guard wasCut, count > 0 else {
            statistics.uncut &+= packet.byteCount > maximumSize ? 1 : 0
            return pass(packet, header, body)
        }
        move(by: count - 1, after: header.sequenceNumber)
    }

    private mutating func countUncut() {
        statistics.oversized &+= 1
        statistics.uncut &+= 1
    }

    /// Whether another stream begins, or the same with other numbers.
    private func begins(_ header: RTPHeader) -> Bool {
        guard ssrc == header.ssrc, let newest else { return true }
        let step = Int64(Int16(bitPattern: header.sequenceNumber &- newest))
        return step < -StreamRewriter.largestJump || step > StreamRewriter.largestJump
    }

    private mutating func forget(_ header: RTPHeader) {
        held.isActive = false
        shifts.removeAll(keepingCapacity: true)
        offset = 0
        newest = nil
        ssrc = header.ssrc
    }

    /// Nothing from before so old a change comes any more.
    private mutating func forgetOldShifts() {
        guard let first = shifts.first, let newest else { return }
        if Int64(Int16(bitPattern: newest &- first.after)) > StreamRewriter.largestJump { shifts.removeFirst() }
    }

    private func pass(_ packet: RawSpan, _ header: RTPHeader, _ body: (RawSpan, RTPHeader) -> Void) {
        var header = header
        header.sequenceNumber &+= offset
        body(packet, header)
    }

    /// One that others have overtaken gets the number that was left free for it, which is one, however large it is.
    private mutating func passLate(_ packet: RawSpan, _ header: RTPHeader, _ body: (RawSpan, RTPHeader) -> Void) {
        if packet.byteCount > maximumSize { countUncut() }
        var late = header
        let before = shifts.last { Int16(bitPattern: header.sequenceNumber &- $0.after) > 0 }
        late.sequenceNumber &+= before?.offset ?? shifts.first?.former ?? offset
        body(packet, late)
    }

    private mutating func move(by count: Int, after number: UInt16) {
        guard count != 0 else { return }
        let former = offset
        offset = offset &+ UInt16(truncatingIfNeeded: count)
        if shifts.count == Self.maximumShifts { shifts.removeFirst() }
        shifts.append(Shift(after: number, former: former, offset: offset))
    }

    /// Gives out one piece under the number that is `index` after the packet's.
    private mutating func send(
        _ piece: RawSpan, _ header: RTPHeader, _ headerBytes: RawSpan, _ index: Int, ticks: UInt32 = 0, marker: Bool,
        _ body: (RawSpan, RTPHeader) -> Void
    ) {
        statistics.pieces &+= 1
        var made = header
        made.sequenceNumber = header.sequenceNumber &+ offset &+ UInt16(truncatingIfNeeded: index)
        made.timestamp &+= ticks
        made.marker = marker
        made.paddingCount = 0
        made.payload = header.headerSize..<header.headerSize + piece.byteCount
        packet.removeAll(keepingCapacity: true)
        packet.append(contentsOf: headerBytes)
        packet[0] &= ~0x20
        packet[1] = header.payloadType | (marker ? 0x80 : 0)
        packet.set(bigEndian: made.sequenceNumber, at: 2)
        packet.set(bigEndian: made.timestamp, at: 4)
        packet.append(contentsOf: piece)
        packet.withBytes { body($0, made) }
    }

    // MARK: fragments

    /// Adds a fragment to what is held, and gives out all that fills packets.
    private mutating func sendFragment(
        _ units: NALUnitSplitter, _ unit: FragmentedUnit, _ packet: RawSpan, _ header: RTPHeader, continues: Bool,
        _ body: (RawSpan, RTPHeader) -> Void
    ) {
        if packet.byteCount > maximumSize { statistics.oversized &+= 1 }
        if !continues {
            held.bytes.removeAll(keepingCapacity: true)
            held.unit = unit
            held.source = unit
            held.isActive = true
        }
        held.header = header
        held.headerBytes.removeAll(keepingCapacity: true)
        held.headerBytes.append(contentsOf: packet.extracting(0..<header.headerSize))
        let payload = packet.extracting(header.payload)
        held.bytes.append(contentsOf: payload.extracting(units.fragmentHeaderSize..<payload.byteCount))
        let isOver = unit.isLast || header.marker
        let room = max(1, maximumSize - header.headerSize - units.fragmentHeaderSize)
        var (start, count) = (0, 0)
        if !continues { held.isByteStream = held.bytes.withBytes { StartCodes.first(in: $0) } != nil }
        if held.isByteStream { count = sendWholeUnits(units, header, body) }
        // A start code may lie across packets.
        let reserve = held.isByteStream && !isOver ? Self.startCodeReserve : 0
        while held.bytes.count - reserve - start > room || isOver && start < held.bytes.count {
            let end = min(held.bytes.count - reserve, start + room)
            let isEnd = isOver && end == held.bytes.count
            sendHeld(start..<end, isLast: isEnd && unit.isLast, marker: isEnd && header.marker, index: count, body)
            count += 1
            start = end
        }
        held.bytes.removeSubrange(0..<start)
        if isOver { held.isActive = false }
        move(by: count - 1, after: header.sequenceNumber)
    }

    /// Gives out all units that end inside what is held, which is in byte stream format (PAY-7).
    private mutating func sendWholeUnits(
        _ units: NALUnitSplitter, _ header: RTPHeader, _ body: (RawSpan, RTPHeader) -> Void
    ) -> Int {
        var count = 0
        while let code = held.bytes.withBytes({ StartCodes.first(in: $0) }),
            code.start + units.headerSize < held.bytes.count
        {
            let room = max(1, maximumSize - header.headerSize - units.fragmentHeaderSize)
            var start = 0
            while start < code.end {
                let end = min(code.end, start + room)
                sendHeld(start..<end, isLast: end == code.end, marker: false, index: count, body)
                count += 1
                start = end
            }
            held.unit = FragmentedUnit(
                first: held.bytes[code.start], second: units == .h265 ? held.bytes[code.start + 1] : 0, isFirst: true,
                isLast: false)
            held.bytes.removeSubrange(0..<code.start + units.headerSize)
        }
        return count
    }

    /// Gives out what is held when nothing continues it.
    private mutating func sendHeld(_ body: (RawSpan, RTPHeader) -> Void) {
        guard held.isActive, let header = held.header else { return }
        held.isActive = false
        guard !held.bytes.isEmpty else { return }
        sendHeld(0..<held.bytes.count, isLast: false, marker: false, index: 1, body)
        move(by: 1, after: header.sequenceNumber)
    }

    private mutating func sendHeld(
        _ range: Range<Int>, isLast: Bool, marker: Bool, index: Int, _ body: (RawSpan, RTPHeader) -> Void
    ) {
        guard let units, let header = held.header else { return }
        scratch.removeAll(keepingCapacity: true)
        if held.unit.isFirst, isLast {
            // No fragment may be a whole unit.
            scratch.append(held.unit.first)
            if units == .h265 { scratch.append(held.unit.second) }
        } else {
            units.appendFragmentHeader(held.unit, isFirst: held.unit.isFirst, isLast: isLast, to: &scratch)
        }
        held.unit.isFirst = false
        scratch += held.bytes[range]
        var (piece, headerBytes): ([UInt8], [UInt8]) = ([], [])
        swap(&piece, &scratch)
        swap(&headerBytes, &held.headerBytes)
        piece.withBytes { piece in
            headerBytes.withBytes { send(piece, header, $0, index, marker: marker, body) }
        }
        swap(&piece, &scratch)
        swap(&headerBytes, &held.headerBytes)
    }
}
