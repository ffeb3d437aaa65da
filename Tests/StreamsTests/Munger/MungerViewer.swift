import RTP
import TestKit
import Wire

@testable import Streams

/// A packet that a viewer got, or would have got if its transport had taken it.
struct MungerRecord {
    /// Without wraps.
    var number: Int64
    var timestamp: Int64
    var marker: Bool
    /// -1 for padding that was made here.
    var stream = -1
    /// Parameter sets that stand before the keyframe whose number follows.
    var isInserted = false
    /// The publisher's packet; -1 for parameter sets that were put in.
    var index = -1
    var turn: Int
    var sentAt: Instant
    var pictureID: UInt16?
    var layerZeroIndex: UInt8?
    var keyIndex: UInt8?
    var bytes: [UInt8]

    var isFiller: Bool { stream < 0 }
}

/// One viewer: its transport, which can refuse, and everything it was given.
final class MungerViewer: PacketSink, @unchecked Sendable {
    static let ssrc: UInt32 = 42
    static let repairSSRC: UInt32 = 44

    let peer: FakeViewer
    let format: MungerEncoder.Format
    let repair: DownTrackFormat.Repair
    let removesFiller: Bool
    private let now: () -> Instant
    var turn = 0

    // The link.
    var canSend = true { didSet { sentInVain = 0 } }
    /// Packets with new numbers while nothing could be sent.
    private var sentInVain = 0
    private static let mostInVain = 24
    var takesPackets = true
    var isCongested = false
    var budget: UInt64?
    private var isStopped = false
    private var lastRequest: Instant?

    /// What the viewer chose, and when.
    private var choices: [(preference: LayerPreference, at: Instant)] = []
    let firstNumber: UInt16

    private(set) var records: [Int64: MungerRecord] = [:]
    private(set) var highest: Int64?
    private var highestTimestamp: Int64 = 0
    private(set) var faults: [String] = []
    private(set) var repaired = 0
    private var nextRepairNumber: UInt16?
    /// Packets that the retransmissions may answer now; nil for those that nobody asked for.
    var asked: Set<Int64> = []

    init(
        _ number: UInt64, _ format: MungerEncoder.Format, repair: DownTrackFormat.Repair, removesFiller: Bool,
        firstNumber: UInt16, now: @escaping () -> Instant
    ) {
        peer = FakeViewer(number)
        self.format = format
        self.repair = repair
        self.removesFiller = removesFiller
        self.firstNumber = firstNumber & 0x7FFF
        self.now = now
    }

    /// When another publisher began.
    private var publications: [Instant] = []

    func publicationBegan() { publications.append(now()) }

    func chose(_ preference: LayerPreference) { choices.append((preference, now())) }

    /// What the viewer chose so long ago that it must have it at `instant`; nil shortly after a change.
    func choice(at instant: Instant) -> LayerPreference? {
        // What a new publisher sends is not known at once, so everybody gets what there is first.
        guard let last = choices.last(where: { $0.at <= instant }),
            let publication = publications.last(where: { $0 <= instant }),
            instant.milliseconds(since: max(last.at, publication)) > Self.patienceMilliseconds
        else { return nil }
        return last.preference
    }

    /// The longest that a keyframe may take, lost ones counted in.
    static let patienceMilliseconds: Int64 = 4_000

    func fault(_ text: String) { if faults.count < 5 { faults.append("viewer \(peer.peerID.value): \(text)") } }

    // MARK: the transport

    func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        let bytes = [UInt8].written(capacity: maximumSize) { _ = write(&$0) }
        if packetClass == .retransmission {
            guard canSend, takesPackets else { return false }
            sentAgain(bytes)
            return true
        }
        sent(bytes)
        return takesPackets
    }

    func videoBitsPerSecond(at now: Instant) -> UInt64? { budget }

    func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool {
        if !canSend || isCongested { isStopped = true }
        if isStopped, isKeyframe, canSend, !isCongested { isStopped = false }
        return !isStopped
    }

    func takesKeyframeRequest(at now: Instant) -> Bool {
        guard isStopped, canSend, !isCongested else { return false }
        if let lastRequest, now.milliseconds(since: lastRequest) < 1_000 { return false }
        lastRequest = now
        return true
    }

    func enqueueControl(_ packet: RawSpan) -> Bool { true }

    // MARK: what came

    private func sent(_ bytes: [UInt8]) {
        guard let header = bytes.withBytes({ try? RTPHeader(parsing: $0) }), header.ssrc == Self.ssrc else {
            return fault("not a packet of the stream: \(bytes)")
        }
        let number = (highest ?? Int64(header.sequenceNumber)) + offset(header.sequenceNumber)
        let timestamp =
            highest == nil
            ? Int64(header.timestamp)
            : highestTimestamp
                + Int64(Int32(bitPattern: header.timestamp &- UInt32(truncatingIfNeeded: highestTimestamp)))
        var record = MungerRecord(
            number: number, timestamp: timestamp, marker: header.marker, turn: turn, sentAt: now(), bytes: bytes)
        let payload = Array(bytes[header.payload])
        if !payload.isEmpty { identify(&record, payload) }
        if let known = records[number] {
            fault("number \(number) of \(known.stream):\(known.index) again for \(record.stream):\(record.index)")
            return
        }
        // A frame that has begun is ended, and what is late of those before it follows.
        if !canSend, number > highest ?? .min {
            sentInVain += 1
            if sentInVain > Self.mostInVain { fault("\(number) although nothing can be sent") }
        }
        records[number] = record
        if number > highest ?? .min {
            highest = number
            highestTimestamp = timestamp
        }
    }

    private func offset(_ number: UInt16) -> Int64 {
        guard let highest else { return 0 }
        return Int64(Int16(bitPattern: number &- UInt16(truncatingIfNeeded: highest)))
    }

    private func identify(_ record: inout MungerRecord, _ payload: [UInt8]) {
        func word(_ at: Int) -> Int { payload[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
        if format == .h264, payload[0] == 0x78, payload.count == 17 {
            record.stream = word(7)
            return
        }
        // A delimiter as it is sent to who does without, when it comes too late to be left out.
        if removesFiller, payload == [0x0C, 0x80] { return }
        guard payload.count > MungerEncoder.tailSize else { return fault("a packet without its tail: \(payload)") }
        record.stream = word(payload.count - 8)
        record.index = word(payload.count - 4)
        payload.withBytes { bytes in
            switch format {
            case .vp8, .vp8Short:
                let picture = try? VP8PayloadDescriptor(parsing: bytes)
                record.pictureID = picture?.pictureID
                record.layerZeroIndex = picture?.temporalLevelZeroIndex
                record.keyIndex = picture?.keyIndex
            case .vp9:
                let picture = try? VP9PayloadDescriptor(parsing: bytes)
                record.pictureID = picture?.pictureID
                record.layerZeroIndex = picture?.temporalLevelZeroIndex
            case .h264: break
            }
        }
    }

    /// PROP-3, PROP-5: what is sent again is what was sent, and nothing else is.
    private func sentAgain(_ bytes: [UInt8]) {
        guard let header = bytes.withBytes({ try? RTPHeader(parsing: $0) }) else { return fault("junk sent again") }
        var original: [UInt8] = []
        if case .ownStream(let payloadType, let ssrc, let first) = repair {
            guard header.ssrc == ssrc, header.payloadType == payloadType,
                header.sequenceNumber == nextRepairNumber ?? first
            else { return fault("the wrong stream for what is sent again") }
            nextRepairNumber = header.sequenceNumber &+ 1
            let result = bytes.withBytes {
                RetransmissionFormat.unwrap(
                    $0, header: header, ssrc: Self.ssrc, payloadType: 100, into: &original)
            }
            guard result == .packet else { return fault("a retransmission that holds no packet") }
        } else {
            original = bytes
        }
        guard let inner = original.withBytes({ try? RTPHeader(parsing: $0) }), let highest else {
            return fault("something sent again before anything was")
        }
        let number = highest + offset(inner.sequenceNumber)
        guard asked.contains(number) else { return fault("\(number) was sent again unasked") }
        guard let known = records[number] else { return fault("\(number) was sent again, but never sent") }
        if withoutPadding(known.bytes) != withoutPadding(original) {
            fault("\(number) was sent again as \(original), not \(known.bytes)")
        }
        repaired += 1
    }

    /// Retransmissions in a stream of their own leave padding out.
    private func withoutPadding(_ bytes: [UInt8]) -> [UInt8] {
        guard repair != .sameStream, let header = bytes.withBytes({ try? RTPHeader(parsing: $0) }) else { return bytes }
        var result = Array(bytes[..<header.payload.upperBound])
        result[0] &= ~0x20
        return result
    }
}
