import Codecs
import Wire

/// Takes ADTS headers off AAC, RTP to RTP: some cameras leave them on the access units of RFC 3640, or send frames with
/// them in place of that format (PAY-41). What goes on is mode AAC-hbr of RFC 3640.
///
/// A packet stays one packet. What has no such headers passes as it came, and costs a look at its first bytes.
public struct ADTSRemoval: Sendable {
    public struct Statistics: Hashable, Sendable {
        /// Packets that went on without their headers.
        public var rewritten: UInt64 = 0
        /// Packets that were not passed on: parts of frames whose beginning did not come, and what cannot be said in
        /// mode AAC-hbr.
        public var dropped: UInt64 = 0

        public init() {}
    }

    /// A frame that goes on in the packets that follow.
    private struct Fragment: Sendable {
        /// Whether its packets have no headers of RFC 3640.
        var isBare: Bool
        /// The frame's size as the sender tells it, and without the ADTS header.
        var announced: Int
        var size: Int
        /// Bytes that have not come.
        var missing: Int
        var next: UInt16
        var timestamp: UInt32
    }

    private enum Outcome { case passes, rewritten, dropped }

    private static let maximumUnits = 64
    /// What 13 bits tell.
    private static let maximumSize = 8_191

    private let layout: AACDepacketizer.Layout?
    private let announced: AudioSpecificConfig?
    private let announcedBytes: [UInt8]?
    private var stream: ADTSHeader.Stream?
    private var fragment: Fragment?
    private var output: [UInt8] = []
    /// Data of the units that `output` has headers of.
    private var data: [UInt8] = []
    /// Whether any packet of the stream has been seen.
    public private(set) var hasBegun = false
    /// What a decoder is set up with as the stream itself says; nil as long as it has no headers. Where the description says
    /// the same, it is the description's, which may say more.
    public private(set) var configuration: [UInt8]?
    public private(set) var statistics = Statistics()

    /// nil for everything but AAC in the format of RFC 3640.
    public init?(_ description: PayloadDescription) {
        guard description.encodingName.uppercased() == "MPEG4-GENERIC" else { return nil }
        layout = AACDepacketizer.Layout(clockRate: description.clockRate, description.parameter)
        announcedBytes = description.parameter("config").flatMap { hexadecimalBytes($0) }
        announced = announcedBytes?.withBytes { try? AudioSpecificConfig(parsing: $0) }
    }

    /// Whether it is for the stream to say what a decoder is set up with, and no packet has come yet.
    public var awaitsConfiguration: Bool { announced == nil && !hasBegun }

    /// Takes a packet of the stream.
    ///
    /// - Parameter body: is lent what is to go on instead.
    public mutating func receive(_ packet: RawSpan, header: RTPHeader, _ body: (RawSpan, RTPHeader) -> Void) {
        let payload = packet.extracting(header.payload)
        guard !payload.isEmpty else { return body(packet, header) }
        hasBegun = true
        output.removeAll(keepingCapacity: true)
        data.removeAll(keepingCapacity: true)
        output.append(contentsOf: packet.extracting(0..<header.headerSize))
        // The size of the units' headers, known when they are written.
        output.append(bigEndian: UInt16(0))
        switch take(payload, header) {
        case .passes: return body(packet, header)
        case .dropped: statistics.dropped &+= 1
        case .rewritten:
            statistics.rewritten &+= 1
            let size = output.count - header.headerSize - 2
            output.set(bigEndian: UInt16(truncatingIfNeeded: size * 8), at: header.headerSize)
            output.append(contentsOf: data)
            output[0] &= ~0x20
            var made = header
            made.paddingCount = 0
            made.payload = header.headerSize..<output.count
            output.withBytes { body($0, made) }
        }
    }

    private mutating func take(_ payload: RawSpan, _ packet: RTPHeader) -> Outcome {
        if let outcome = goOn(payload, packet) { return outcome }
        if let outcome = takeBare(payload, packet) { return outcome }
        return takeUnits(payload, packet)
    }

    private mutating func append(_ frame: RawSpan, size: Int) -> Bool {
        guard size <= Self.maximumSize else { return false }
        output.append(bigEndian: UInt16(truncatingIfNeeded: size << 3))
        data.append(contentsOf: frame)
        return true
    }

    private mutating func note(_ header: ADTSHeader) {
        guard header.stream != stream else { return }
        stream = header.stream
        let agrees = announced.map { header.stream.agrees(with: $0) } ?? false
        configuration = agrees ? announcedBytes : header.stream.configuration
    }

    // MARK: frames without units

    /// Frames one behind the other, of which a single one may go on in further packets; nil when `payload` holds something
    /// else.
    private mutating func takeBare(_ payload: RawSpan, _ packet: RTPHeader) -> Outcome? {
        guard let first = ADTSHeader(parsing: payload) else { return nil }
        if first.frameSize > payload.byteCount {
            guard first.frameSize - first.size > 0, !isUnits(payload) else { return nil }
            note(first)
            let size = first.frameSize - first.size
            fragment = Fragment(
                isBare: true, announced: size, size: size, missing: first.frameSize - payload.byteCount,
                next: packet.sequenceNumber &+ 1, timestamp: packet.timestamp)
            return append(payload.extracting(first.size..<payload.byteCount), size: size) ? .rewritten : .dropped
        }
        guard isChain(payload) else { return nil }
        note(first)
        return appendChain(payload) ? .rewritten : .dropped
    }

    /// Whether the size of the units' headers that RFC 3640 has in the place of the syncword can be one.
    private func isUnits(_ payload: RawSpan) -> Bool {
        guard let layout, layout.sizeLength > 0, let bits = payload.integer(at: 0, as: UInt16.self) else {
            return false
        }
        return 2 + (Int(bits) + 7) / 8 <= payload.byteCount
    }

    /// Whether `bytes` are whole frames with headers, and nothing else.
    private func isChain(_ bytes: RawSpan) -> Bool {
        var (offset, count) = (0, 0)
        while offset < bytes.byteCount {
            guard count < Self.maximumUnits,
                let header = ADTSHeader(parsing: bytes.extracting(offset..<bytes.byteCount)),
                header.frameSize <= bytes.byteCount - offset
            else { return false }
            offset += header.frameSize
            count += 1
        }
        return count > 0
    }

    private mutating func appendChain(_ bytes: RawSpan) -> Bool {
        var offset = 0
        while offset < bytes.byteCount, let header = ADTSHeader(parsing: bytes.extracting(offset..<bytes.byteCount)) {
            let end = offset + header.frameSize
            if header.frameSize > header.size {
                guard append(bytes.extracting(offset + header.size..<end), size: header.frameSize - header.size) else {
                    return false
                }
            }
            offset = end
        }
        return !data.isEmpty
    }

    // MARK: frames in units

    /// Access units of which some have headers. Once they had, all go on in mode AAC-hbr, which the description says then.
    private mutating func takeUnits(_ payload: RawSpan, _ packet: RTPHeader) -> Outcome {
        guard let layout else { return stream == nil ? .passes : .dropped }
        var units = AACUnits(layout)
        let isToBeMade = stream != nil && !layout.isHighBitrate
        var hasHeaders = false
        var count = 0
        while let unit = units.next(in: payload) {
            count += 1
            guard count <= Self.maximumUnits else { return .dropped }
            let bytes = payload.extracting(unit.offset..<min(payload.byteCount, unit.offset + unit.size))
            if bytes.byteCount < unit.size {
                guard count == 1 else { return hasHeaders || isToBeMade ? .dropped : .passes }
                return beginFragment(bytes, unit.size, packet, isToBeMade: isToBeMade)
            }
            if isChain(bytes) {
                if !hasHeaders, count > 1, !isToBeMade { return .passes }
                hasHeaders = true
                if let header = ADTSHeader(parsing: bytes) { note(header) }
                guard appendChain(bytes) else { return .dropped }
            } else if hasHeaders || isToBeMade {
                guard append(bytes, size: unit.size) else { return .dropped }
            }
        }
        guard hasHeaders || isToBeMade else { return .passes }
        return units.isWhole && !data.isEmpty ? .rewritten : .dropped
    }

    private mutating func beginFragment(
        _ bytes: RawSpan, _ size: Int, _ packet: RTPHeader, isToBeMade: Bool
    ) -> Outcome {
        var start = 0
        if let header = ADTSHeader(parsing: bytes), header.frameSize == size, header.size < bytes.byteCount {
            note(header)
            start = header.size
        }
        guard start > 0 || isToBeMade else { return .passes }
        fragment = Fragment(
            isBare: false, announced: size, size: size - start, missing: size - bytes.byteCount,
            next: packet.sequenceNumber &+ 1, timestamp: packet.timestamp)
        return append(bytes.extracting(start..<bytes.byteCount), size: size - start) ? .rewritten : .dropped
    }

    // MARK: fragments

    /// What belongs to the frame before; nil when this packet does not.
    private mutating func goOn(_ payload: RawSpan, _ packet: RTPHeader) -> Outcome? {
        guard var fragment else { return nil }
        self.fragment = nil
        guard fragment.next == packet.sequenceNumber, fragment.timestamp == packet.timestamp else { return nil }
        var start = 0
        if !fragment.isBare {
            guard let layout else { return nil }
            var units = AACUnits(layout)
            guard let unit = units.next(in: payload), unit.size == fragment.announced else { return nil }
            start = unit.offset
        }
        let bytes = payload.extracting(start..<payload.byteCount)
        guard bytes.byteCount <= fragment.missing else { return .dropped }
        fragment.missing -= bytes.byteCount
        fragment.next &+= 1
        if fragment.missing > 0 { self.fragment = fragment }
        return append(bytes, size: fragment.size) ? .rewritten : .dropped
    }
}

/// Where the access units of a payload lie, as its headers say (RFC 3640, section 3.2). Allocates nothing.
struct AACUnits {
    private let layout: AACDepacketizer.Layout
    /// The headers that have not been read; nil before the first.
    private var headers: PayloadBits?
    private var offset = 0
    private var isFirst = true
    /// Whether all that was there could be read; interleaved units cannot.
    private(set) var isWhole = true

    init(_ layout: AACDepacketizer.Layout) { self.layout = layout }

    /// The next unit of `payload`, the same at each call; its end may lie behind the payload's.
    mutating func next(in payload: RawSpan) -> (offset: Int, size: Int)? {
        if headers == nil, !readSizes(payload) { return end() }
        guard var headers else { return nil }
        var size = layout.constantSize
        if layout.sizeLength > 0 {
            let indexSize = isFirst ? layout.indexLength : layout.indexDeltaLength
            guard headers.remaining >= layout.sizeLength + indexSize else { return nil }
            size = Int(headers.read(layout.sizeLength, payload))
            guard headers.read(indexSize, payload) == 0 else { return end() }
            self.headers = headers
        } else if offset >= payload.byteCount {
            return nil
        }
        isFirst = false
        guard offset < payload.byteCount || size == 0 else { return end() }
        defer { offset += size }
        return (offset, size)
    }

    private mutating func end() -> (offset: Int, size: Int)? {
        isWhole = false
        headers = PayloadBits(offset: 0, end: 0)
        return nil
    }

    private mutating func readSizes(_ payload: RawSpan) -> Bool {
        headers = PayloadBits(offset: 0, end: 0)
        if layout.sizeLength + layout.indexLength + layout.indexDeltaLength > 0 {
            guard let length = payload.integer(at: 0, as: UInt16.self) else { return false }
            offset = 2 + (Int(length) + 7) / 8
            guard offset <= payload.byteCount else { return false }
            headers = PayloadBits(offset: 16, end: 16 + Int(length))
        }
        guard layout.auxiliarySizeLength > 0 else { return true }
        var bits = PayloadBits(offset: offset * 8, end: payload.byteCount * 8)
        guard bits.remaining >= layout.auxiliarySizeLength else { return false }
        offset += (layout.auxiliarySizeLength + Int(bits.read(layout.auxiliarySizeLength, payload)) + 7) / 8
        return offset <= payload.byteCount
    }
}
