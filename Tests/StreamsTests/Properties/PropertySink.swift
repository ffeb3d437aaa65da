import RTP
import Streams
import TestKit
import Testing
import Wire

/// Checks everything one viewer is sent as it is sent: numbers, times, pictures, sources and bytes.
final class PropertySink: PacketSink, @unchecked Sendable {
    /// A stretch of one source without a change.
    private struct Segment {
        var source: UInt32
        var firstNumber: Int64
        var firstOutput: Int64
        var firstPicture: UInt32
        var firstPictureID: UInt16
        var timestampOffset: UInt32?
    }

    static let ssrc: UInt32 = 42
    static let repairSSRC: UInt32 = 43

    private let hasOwnStream: Bool
    private var numbers = SequenceUnwrapper()
    private var times = TimestampUnwrapper()
    /// By the low bits of the number: which number it was, the bytes of the first sending, and how often it was asked for.
    private var sent: [(number: Int64, bytes: [UInt8], asked: Int)?] = Array(repeating: nil, count: 65_536)
    private var segment: Segment?
    private var highest: Int64?
    private var highestTime: Int64 = 0
    private var highestEndsFrame = true
    private var highestPictureID: UInt16 = 0
    private var highestCapture = 0
    private var lastOutput: Int64?
    private var nextRepair: UInt16?

    /// What the next packets belong to: the number in its source of what is being received, and the picture's frame.
    var input: (number: Int64, source: UInt32, frame: (PictureMark) -> Int)?
    /// Numbers of the current source that were left out while they were the newest, ascending.
    private var dropped: [Int64] = []
    private var highestInput: Int64 = -1
    private(set) var packets = 0
    private(set) var switches = 0
    private(set) var repairs = 0
    private(set) var keyIndexes = 0
    private(set) var problems: [String] = []
    private(set) var largestStep: Int64 = 0

    init(hasOwnStream: Bool) { self.hasOwnStream = hasOwnStream }

    func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool { true }
    func videoBitsPerSecond(at now: Instant) -> UInt64? { nil }
    func enqueueControl(_ packet: RawSpan) -> Bool { true }

    private func complain(_ what: String) { if problems.count < 5 { problems.append("\(packets): \(what)") } }

    func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> Void
    ) -> Bool {
        let packet = [UInt8].written(capacity: maximumSize, write)
        guard let header = packet.withBytes({ try? RTPHeader(parsing: $0) }) else {
            complain("malformed")
            return true
        }
        if packetClass == .retransmission { again(packet, header) } else { first(packet, header) }
        return true
    }

    // MARK: first sendings

    private func first(_ packet: [UInt8], _ header: RTPHeader) {
        packets += 1
        guard header.ssrc == Self.ssrc, let mark = PictureMark(packet), let input, mark.generation == input.source,
            let picture = packet.withBytes({ bytes in
                try? VP8PayloadDescriptor(parsing: bytes.extracting(header.payload))
            })
        else { return complain("not the packet that came") }
        let output = numbers.unwrap(header.sequenceNumber)
        let pictureID = picture.pictureID ?? 0

        // PROP-4
        if let lastOutput, abs(output - lastOutput) >= 32_768 { complain("jumps from \(lastOutput) to \(output)") }
        lastOutput = output
        // PROP-1 and PROP-5: a number is used once.
        let slot = Int(header.sequenceNumber)
        if let former = sent[slot], former.number == output { complain("number \(output) used twice") }
        sent[slot] = (output, packet, 0)

        if segment?.source != mark.generation { start(mark, output, pictureID, input.number) }
        // A source that comes back goes on from a keyframe as another one would, and closes what was lost before.
        if let before = segment, mark.isKeyframe, mark.index == 0, input.number > highestInput,
            output != expected(input.number, before)
        {
            start(mark, output, pictureID, input.number)
        }
        guard var segment else { return }
        // PROP-7
        if input.number < segment.firstNumber { complain("a packet from before the change of source") }
        // PROP-1: the number is what the source's number makes it; only what was left out closes up.
        let expected = expected(input.number, segment)
        if output != expected { complain("number \(output) instead of \(expected)") }
        // PROP-6
        let wanted = UInt16(truncatingIfNeeded: UInt32(segment.firstPictureID) &+ mark.picture &- segment.firstPicture)
        if pictureID != wanted & 0x7FFF { complain("picture \(pictureID) instead of \(wanted & 0x7FFF)") }

        // PROP-2
        let time = times.unwrap(header.timestamp)
        let frame = input.frame(mark)
        let offset = header.timestamp &- UInt32(truncatingIfNeeded: frame * 3_000)
        if let before = segment.timestampOffset, before != offset { complain("time moved within a source") }
        segment.timestampOffset = offset
        self.segment = segment
        guard output > highest ?? .min else { return }
        if highest != nil {
            let step = time - highestTime
            if step < 0 { complain("time goes back by \(-step)") }
            largestStep = max(largestStep, step - Int64(frame - highestCapture) * 3_000)
        }
        highest = output
        highestTime = time
        highestCapture = frame
        highestEndsFrame = header.marker
        highestPictureID = pictureID
    }

    private func expected(_ number: Int64, _ segment: Segment) -> Int64 {
        segment.firstOutput + number - segment.firstNumber - Int64(dropped.count { $0 < number })
    }

    private func start(_ mark: PictureMark, _ output: Int64, _ pictureID: UInt16, _ number: Int64) {
        if !mark.isKeyframe || mark.index != 0 { complain("a source begins in the middle") }
        if let highest {
            switches += 1
            let gap: Int64 = highestEndsFrame ? 0 : 1
            if output != highest + 1 + gap { complain("a change of source goes from \(highest) to \(output)") }
            if pictureID != (highestPictureID + 1) & 0x7FFF {
                complain("picture \(pictureID) after \(highestPictureID)")
            }
        }
        dropped = []
        highestInput = number - 1
        segment = Segment(
            source: mark.generation, firstNumber: number, firstOutput: output, firstPicture: mark.picture,
            firstPictureID: pictureID)
    }

    /// Tells what has just been received, after it was sent or not.
    func inputEnded(isPadding: Bool) {
        guard let input, let segment, input.source == segment.source else { return }
        if input.number > highestInput {
            highestInput = input.number
            if isPadding { dropped.append(input.number) }
        }
        if dropped.count > 2_000 { compact() }
    }

    /// Forgets what was left out long ago; late packets do not come from there.
    private func compact() {
        guard var segment else { return }
        let forgotten = dropped.prefix(1_000)
        segment.firstOutput -= Int64(forgotten.count)
        dropped.removeFirst(forgotten.count)
        self.segment = segment
    }

    // MARK: retransmissions

    /// A number that was sent lately and not asked for yet; nil when there is none.
    func numberToAsk(_ back: Int64) -> UInt16? {
        guard let highest else { return nil }
        let slot = Int(UInt16(truncatingIfNeeded: highest - back))
        guard var entry = sent[slot], entry.number == highest - back, entry.asked == 0 else { return nil }
        entry.asked += 1
        sent[slot] = entry
        return UInt16(slot)
    }

    /// A number that was never sent.
    func numberNeverSent(_ ahead: Int64) -> UInt16? {
        highest.map { UInt16(truncatingIfNeeded: $0 + ahead) }
    }

    /// PROP-3 and PROP-5: what comes again is what was sent, byte for byte.
    private func again(_ packet: [UInt8], _ header: RTPHeader) {
        repairs += 1
        var original = packet
        if hasOwnStream {
            if let nextRepair, header.sequenceNumber != nextRepair {
                complain("retransmission \(header.sequenceNumber) instead of \(nextRepair)")
            }
            nextRepair = header.sequenceNumber &+ 1
            original = []
            let result = packet.withBytes {
                RetransmissionFormat.unwrap($0, header: header, ssrc: Self.ssrc, payloadType: 100, into: &original)
            }
            if header.ssrc != Self.repairSSRC || result != .packet { complain("no retransmission") }
        }
        guard let number = original.withBytes({ try? RTPHeader(parsing: $0) })?.sequenceNumber else {
            return complain("a retransmission of nothing")
        }
        if sent[Int(number)]?.bytes != original { complain("\(number) came again in another shape") }
    }
}
