import RTP
import Wire

// Packets that a viewer asks for again, or is known to miss.

extension StreamForwarder {
    var repairs: RepairStatistics { gate?.statistics ?? RepairStatistics() }

    mutating func pictureLost() { gate?.pictureLost() }

    mutating func isGone(_ answer: RetransmissionGate.Answer) { gate?.isGone(answer.number) }

    mutating func takeBeyondRepair() -> Bool { gate?.takeBeyondRepair() ?? false }

    mutating func takeStuck(at now: Instant) -> Bool {
        // On a link that is too small everything is late because it waits for its turn.
        gate?.takeStuck() == true && !playoutDelay.isLinkSmall(at: now)
    }

    mutating func requested(
        _ sequenceNumber: UInt16, roundTripNanoseconds: UInt64, at now: Instant
    ) -> RetransmissionGate.Answer? {
        gate?.requested(sequenceNumber, roundTripNanoseconds: roundTripNanoseconds, at: now)
    }

    mutating func heard(_ news: VideoNews, at now: Instant) { gate?.heard(news, at: now) }

    mutating func unasked(
        from index: inout Int, roundTripNanoseconds: UInt64, at now: Instant
    ) -> RetransmissionGate.Answer? {
        gate?.unasked(from: &index, roundTripNanoseconds: roundTripNanoseconds, at: now)
    }

    /// Sends a packet again; twice, when sending it again once was not enough or costs little.
    mutating func sendAgain(
        _ answer: RetransmissionGate.Answer, _ packet: RawSpan, publisher map: HeaderExtensionMap, at now: Instant
    ) {
        guard let repair, let header = try? RTPHeader(parsing: packet) else {
            gate?.couldNotSend()
            return
        }
        let isCheap = gate?.hasPlenty == true && !playoutDelay.isLinkSmall(at: now)
        var byteCount = 0
        for _ in 0..<(repair != .sameStream && (isCheap || answer.packet.tries > 0) ? 2 : 1) {
            byteCount += rebuild(answer, header, packet, publisher: map, repair)
        }
        guard byteCount > 0 else {
            gate?.couldNotSend()
            return
        }
        gate?.sentAgain(answer.number, byteCount: byteCount, at: now)
        playoutDelay.sentAgain(lateness: answer.packet.lateness(at: now), at: now)
        if playoutDelay.bits != nil { extensions.replacePlayoutDelay() }
    }

    /// Builds a packet again as it was sent (RTP-46).
    ///
    /// - Returns: bytes sent at most; 0 when the transport took none.
    private mutating func rebuild(
        _ answer: RetransmissionGate.Answer, _ header: RTPHeader, _ packet: RawSpan,
        publisher map: HeaderExtensionMap, _ repair: DownTrackFormat.Repair
    ) -> Int {
        let index = HeaderExtensionIndex(header, in: packet, map: map)
        let insertions = HeaderExtensionInsertions(playoutDelay: playoutDelay.bits)
        let isPadding = answer.packet.isPadding
        let extensionSize = isPadding ? 0 : extensions.maximumSize(index, insertions)
        let payload = isPadding ? packet.extracting(0..<0) : packet.extracting(header.payload)
        let patch = pictures.patch(payload, with: answer.packet.picture)
        let maximumSize =
            RTPHeader.minimumSize + extensionSize + payload.byteCount + RetransmissionFormat.overhead
        let original = UInt16(truncatingIfNeeded: answer.number)
        let timestamp = answer.packet.timestamp
        let (marker, frameNumber) = (answer.packet.marker, answer.packet.frameNumber)
        let (payloadType, ssrc, extensions, next) = (payloadType, ssrc, extensions, nextRepair)
        let wasSent = sink.enqueue(.retransmission, maximumSize: maximumSize) { output in
            switch repair {
            case .sameStream where isPadding:
                RTPHeader.appendPadding(
                    payloadType: payloadType, sequenceNumber: original, timestamp: timestamp, ssrc: ssrc, to: &output)
                return PacketSlots()
            case .sameStream:
                RTPHeader.append(
                    payloadType: payloadType, marker: marker, sequenceNumber: original, timestamp: timestamp,
                    ssrc: ssrc, hasExtension: extensionSize > 0, to: &output)
            case .ownStream(let payloadType, let ssrc, _):
                RTPHeader.append(
                    payloadType: payloadType, marker: marker, sequenceNumber: next, timestamp: timestamp,
                    ssrc: ssrc, hasExtension: extensionSize > 0, to: &output)
            }
            let slots =
                extensionSize > 0
                ? extensions.append(index, insertions, from: packet, frameNumber: frameNumber, to: &output)
                : PacketSlots()
            if repair != .sameStream { output.append(bigEndian: original) }
            patch.append(payload, to: &output)
            return slots
        }
        guard wasSent else { return 0 }
        if repair == .sameStream { sent.sent(payloadSize: payload.byteCount) } else { nextRepair &+= 1 }
        return maximumSize
    }
}
