import Wire

/// Appends RTCP packets to a datagram under construction. Several in a row make a compound packet.
///
/// Nothing is allocated beyond growing `output`, so a caller who keeps the array allocates nothing in steady state.
public enum RTCPWriter {
    /// Appends a sender report. Report blocks beyond ``ReportBlock/maximumCount`` are left out.
    public static func append(
        _ report: SenderReport, blocks: [ReportBlock] = [], to output: inout [UInt8]
    ) {
        let count = min(blocks.count, ReportBlock.maximumCount)
        appendHeader(RTCPPacketType.senderReport, count: count, bodySize: 24 + 24 * count, to: &output)
        output.append(bigEndian: report.ssrc)
        output.append(bigEndian: report.ntp)
        output.append(bigEndian: report.timestamp)
        output.append(bigEndian: report.packetCount)
        output.append(bigEndian: report.octetCount)
        append(blocks, count: count, to: &output)
    }

    /// Appends a receiver report. Report blocks beyond ``ReportBlock/maximumCount`` are left out.
    public static func appendReceiverReport(ssrc: UInt32, blocks: [ReportBlock], to output: inout [UInt8]) {
        let count = min(blocks.count, ReportBlock.maximumCount)
        appendHeader(RTCPPacketType.receiverReport, count: count, bodySize: 4 + 24 * count, to: &output)
        output.append(bigEndian: ssrc)
        append(blocks, count: count, to: &output)
    }

    /// Appends a source description with one CNAME, of which at most 255 bytes are written.
    public static func appendSourceDescription(ssrc: UInt32, cname: String, to output: inout [UInt8]) {
        let count = min(cname.utf8.count, 255)
        // One zero ends the items; zeros fill the word.
        let padding = 4 - (2 + count) % 4
        appendHeader(RTCPPacketType.sourceDescription, count: 1, bodySize: 4 + 2 + count + padding, to: &output)
        output.append(bigEndian: ssrc)
        output.append(1)
        output.append(UInt8(truncatingIfNeeded: count))
        output.append(contentsOf: cname.utf8.prefix(count))
        for _ in 0..<padding { output.append(0) }
    }

    /// Appends a goodbye of one source, without a reason.
    public static func appendGoodbye(ssrc: UInt32, to output: inout [UInt8]) {
        appendHeader(RTCPPacketType.goodbye, count: 1, bodySize: 4, to: &output)
        output.append(bigEndian: ssrc)
    }

    /// Appends a picture loss indication (RFC 4585, section 6.3.1).
    public static func appendPictureLossIndication(sender: UInt32, media: UInt32, to output: inout [UInt8]) {
        appendHeader(
            RTCPPacketType.payloadSpecificFeedback, count: Int(RTCPFeedbackType.pictureLossIndication), bodySize: 8,
            to: &output)
        output.append(bigEndian: sender)
        output.append(bigEndian: media)
    }

    /// Appends a full intra request for one stream (RFC 5104, section 4.3.1). A new request takes the next number.
    public static func appendFullIntraRequest(
        sender: UInt32, media: UInt32, sequenceNumber: UInt8, to output: inout [UInt8]
    ) {
        appendHeader(
            RTCPPacketType.payloadSpecificFeedback, count: Int(RTCPFeedbackType.fullIntraRequest), bodySize: 16,
            to: &output)
        output.append(bigEndian: sender)
        output.append(bigEndian: UInt32(0))
        output.append(bigEndian: media)
        output.append(sequenceNumber)
        output.append(contentsOf: [0, 0, 0])
    }

    /// Appends a bandwidth estimate. Sources beyond ``ReceiverEstimatedBitrate/maximumSSRCCount`` are left out;
    /// the bitrate is rounded down to 18 significant bits.
    public static func appendReceiverEstimatedBitrate(
        sender: UInt32, bitsPerSecond: UInt64, ssrcs: [UInt32], to output: inout [UInt8]
    ) {
        let count = min(ssrcs.count, ReceiverEstimatedBitrate.maximumSSRCCount)
        let exponent = max(0, 64 - bitsPerSecond.leadingZeroBitCount - 18)
        let mantissa = UInt32(truncatingIfNeeded: bitsPerSecond >> UInt64(exponent))
        appendHeader(
            RTCPPacketType.payloadSpecificFeedback, count: Int(RTCPFeedbackType.applicationLayer),
            bodySize: 16 + 4 * count, to: &output)
        output.append(bigEndian: sender)
        output.append(bigEndian: UInt32(0))
        output.append(bigEndian: ReceiverEstimatedBitrate.identifier)
        output.append(bigEndian: UInt32(count) << 24 | UInt32(exponent) << 18 | mantissa)
        for index in 0..<count { output.append(bigEndian: ssrcs[index]) }
    }

    /// Appends a generic NACK (RFC 4585, section 6.2.1) for `sequenceNumbers`, which must be in ascending order
    /// modulo 2^16. Writes nothing when there are none.
    public static func appendNegativeAcknowledgement(
        sender: UInt32, media: UInt32, sequenceNumbers: [UInt16], to output: inout [UInt8]
    ) {
        guard !sequenceNumbers.isEmpty else { return }
        let start = output.count
        appendHeader(
            RTCPPacketType.transportLayerFeedback, count: Int(RTCPFeedbackType.negativeAcknowledgement), bodySize: 8,
            to: &output)
        output.append(bigEndian: sender)
        output.append(bigEndian: media)
        var index = 0
        while index < sequenceNumbers.count {
            let first = sequenceNumbers[index]
            var mask: UInt16 = 0
            index += 1
            while index < sequenceNumbers.count {
                let distance = sequenceNumbers[index] &- first
                guard (1...16).contains(distance) else { break }
                mask |= 1 << (distance - 1)
                index += 1
            }
            output.append(bigEndian: first)
            output.append(bigEndian: mask)
        }
        setLength(from: start, in: &output)
    }

    /// Appends the answer to receiver reference times (RFC 3611, section 4.5).
    ///
    /// - Parameters:
    ///   - lastReceiverReport: the middle 32 bits of the reference time answered.
    ///   - delay: how long ago it came, in 1/65536 s.
    public static func appendDelaySinceLastReceiverReport(
        sender: UInt32, ssrc: UInt32, lastReceiverReport: UInt32, delay: UInt32, to output: inout [UInt8]
    ) {
        appendHeader(RTCPPacketType.extendedReport, count: 0, bodySize: 20, to: &output)
        output.append(bigEndian: sender)
        output.append(bigEndian: UInt32(5) << 24 | 3)
        output.append(bigEndian: ssrc)
        output.append(bigEndian: lastReceiverReport)
        output.append(bigEndian: delay)
    }

    /// Appends a receiver's clock, so that the sender can tell the round trip (RFC 3611, section 4.4).
    public static func appendReceiverReferenceTime(sender: UInt32, ntp: UInt64, to output: inout [UInt8]) {
        appendHeader(RTCPPacketType.extendedReport, count: 0, bodySize: 16, to: &output)
        output.append(bigEndian: sender)
        output.append(bigEndian: UInt32(4) << 24 | 2)
        output.append(bigEndian: ntp)
    }

    static func appendHeader(_ type: UInt8, count: Int, bodySize: Int, to output: inout [UInt8]) {
        output.append(0x80 | UInt8(truncatingIfNeeded: count) & 0x1F)
        output.append(type)
        output.append(bigEndian: UInt16(truncatingIfNeeded: bodySize / 4))
    }

    /// Sets the length of the packet that begins at `start` and ends with `output`, a whole number of words.
    static func setLength(from start: Int, in output: inout [UInt8]) {
        output.set(bigEndian: UInt16(truncatingIfNeeded: (output.count - start) / 4 - 1), at: start + 2)
    }

    private static func append(_ blocks: [ReportBlock], count: Int, to output: inout [UInt8]) {
        for index in 0..<count {
            let block = blocks[index]
            output.append(bigEndian: block.ssrc)
            output.append(
                bigEndian: UInt32(block.fractionLost) << 24 | UInt32(bitPattern: block.cumulativeLost) & 0xFF_FFFF)
            output.append(bigEndian: block.extendedHighestSequenceNumber)
            output.append(bigEndian: block.jitter)
            output.append(bigEndian: block.lastSenderReport)
            output.append(bigEndian: block.delaySinceLastSenderReport)
        }
    }
}
