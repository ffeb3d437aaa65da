import Wire

/// The packets of a video track since its last keyframe, as its readers got them, so that a reader that comes later
/// need not wait for the next one: cameras cannot be asked for it.
///
/// A start is sent with compressed timestamps: a player decodes up to the live edge and plays on from there, instead
/// of staying behind by the age of the keyframe.
struct RTSPStartCache {
    /// Beyond these nothing is kept until the next keyframe.
    static let maximumBytes = 4 << 20
    static let maximumPackets = 4_096
    /// What the time between two packets is divided by.
    private static let compression: Int32 = 16

    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var isComplete = false

    var packetCount: Int { isComplete ? ends.count : 0 }
    var byteCount: Int { isComplete ? bytes.count : 0 }

    /// From the first packet's time to the last one's, in ticks of the track's clock.
    var duration: UInt32 {
        guard isComplete, let last = lastTimestamp, let end = ends.first,
            let first = bytes.withBytes({ timestamp(of: $0.extracting(0..<end)) })
        else { return 0 }
        return UInt32(max(0, Int32(bitPattern: last &- first)))
    }

    mutating func append(_ packet: RawSpan, startsKeyframe: Bool) {
        if startsKeyframe, timestamp(of: packet) != lastTimestamp {
            removeAll()
            isComplete = true
        }
        guard isComplete else { return }
        guard bytes.count + packet.byteCount <= Self.maximumBytes, ends.count < Self.maximumPackets else {
            return removeAll()
        }
        bytes.append(contentsOf: packet)
        ends.append(bytes.count)
    }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        isComplete = false
    }

    /// Lends each packet as it is to be sent now.
    func lendEach(_ body: (RawSpan) -> Void) {
        guard isComplete, let last = lastTimestamp else { return }
        var start = 0
        for end in ends {
            var packet = Array(bytes[start..<end])
            start = end
            guard packet.count >= 8 else { continue }
            let own = packet.withBytes { timestamp(of: $0) } ?? last
            packet.set(bigEndian: compressed(own, last: last), at: 4)
            packet.withBytes(body)
        }
    }

    /// Number and time stamp of the first packet, as it is to be sent now.
    var first: (sequenceNumber: UInt16, timestamp: UInt32)? {
        guard isComplete, let last = lastTimestamp, let end = ends.first else { return nil }
        return bytes.withBytes { bytes in
            guard let number = bytes.integer(at: 2, as: UInt16.self),
                let own = timestamp(of: bytes.extracting(0..<end))
            else { return nil }
            return (number, compressed(own, last: last))
        }
    }

    private func compressed(_ timestamp: UInt32, last: UInt32) -> UInt32 {
        last &- UInt32(bitPattern: Int32(bitPattern: last &- timestamp) / Self.compression)
    }

    private var lastTimestamp: UInt32? {
        guard let end = ends.last else { return nil }
        let start = ends.count > 1 ? ends[ends.count - 2] : 0
        return bytes.withBytes { timestamp(of: $0.extracting(start..<end)) }
    }

    private func timestamp(of packet: RawSpan) -> UInt32? { packet.integer(at: 4) }
}
