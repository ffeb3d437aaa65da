public import RTP
public import Wire

/// The receiving side of one publisher without its transport: finds out what each packet is, counts it, and makes the
/// RTCP that the publisher gets back: receiver reports, transport-wide feedback or REMB, requests for lost packets and
/// for keyframes. Retransmissions, on a stream of their own or on the same one, come out as the packets they repair.
///
/// Packets come in decrypted; what has to go out is drained as plaintext RTCP. Owned by one actor; nothing here
/// allocates per packet.
public final class IngestEngine {
    /// Receiver reports go out this often; the feedback on every packet has an interval of its own.
    static let reportIntervalMilliseconds: UInt64 = 1_000
    /// What a publisher without transport-wide feedback is told that its link carries.
    static let estimatedBitsPerSecond: UInt64 = 20_000_000
    /// Bytes of one outgoing compound packet before encryption, so that it fits a datagram.
    static let maximumCompoundSize = 1_200

    /// A packet further behind than statistics remember could not be told from a duplicate.
    static let lossLimits: NackGenerator.Limits = {
        var limits = NackGenerator.Limits()
        limits.maximumAge = min(limits.maximumAge, StreamRewriter.lateLimit - 1)
        return limits
    }()

    private let sections: [IngestSection]
    private let localSSRC: UInt32
    private let canonicalName: String
    private var router: StreamRouter
    private var extensions = HeaderExtensionMap()
    private var streams: [IngestStream] = []
    private var transportWide: TransportWideFeedback?
    private var nextReport: Instant
    private var output: [UInt8] = []
    /// The original of the latest retransmission.
    private var restored: [UInt8] = []
    private var requestedNumbers: [UInt16] = []
    /// Of sources that have been replaced, and what no source counts.
    private var formerRepairs = IngestRepairStatistics()
    /// Used again for every report.
    private var blocks: [ReportBlock] = []
    private var pendingRequests: Set<PendingRequest> = []

    public private(set) var drops = IngestDropCounters()
    public private(set) var keyframeRequestsSent: UInt64 = 0

    private struct PendingRequest: Hashable {
        var kind: MediaKind
        var layer: Int
    }

    /// - Parameter localSSRC: random; the sender of this side's reports.
    public init(sections: [IngestSection], localSSRC: UInt32, canonicalName: String, startedAt now: Instant) {
        self.sections = sections
        self.localSSRC = localSSRC
        self.canonicalName = canonicalName
        router = StreamRouter(sections: sections.map(\.routing))
        // The sections of a bundle give one id one meaning, so one map serves all of them (RFC 8285, section 6).
        for section in sections { extensions.merge(section.extensions) }
        if sections.contains(where: { $0.feedback.contains(.transportCC) }) {
            transportWide = TransportWideFeedback()
        }
        nextReport = now.advanced(byMilliseconds: Self.reportIntervalMilliseconds)
    }

    // MARK: input

    /// Takes one packet; nil when it belongs to no track or is to be dropped.
    public func received(_ packet: RawSpan, at now: Instant) -> IngestedPacket? {
        let header: RTPHeader
        do throws(WireError) {
            header = try RTPHeader(parsing: packet)
        } catch {
            drops.malformed &+= 1
            return nil
        }
        let extensions = HeaderExtensionIndex(header, in: packet, map: extensions)
        if let number = extensions.transportSequenceNumber(in: packet) { transportWide?.received(number, at: now) }
        switch router.route(header, extensions: extensions, in: packet, at: now) {
        case .routed(let route, _): return accept(packet, header, route, at: now)
        case .refused(let refusal):
            count(refusal)
            return nil
        }
    }

    private func count(_ refusal: StreamRouter.Refusal) {
        switch refusal {
        case .ssrcZero, .paddingOnly: drops.probes &+= 1
        case .payloadType: drops.unknownPayloadType &+= 1
        case .unknownMID, .unplaced, .tooManyStreams, .superseded: drops.unknownSource &+= 1
        }
    }

    private func accept(
        _ packet: RawSpan, _ header: RTPHeader, _ route: StreamRouter.Route, at now: Instant
    ) -> IngestedPacket? {
        let section = sections[route.section]
        guard route.encoding != nil || section.layerCount == 1 else {
            drops.unknownSource &+= 1
            return nil
        }
        let layer = route.encoding ?? 0
        if route.isRepair { return restore(packet, header, section, layer: layer, at: now) }
        let position = stream(header.ssrc, section, layer: layer, at: now)
        let outcome = streams[position].statistics.received(
            sequenceNumber: header.sequenceNumber, timestamp: header.timestamp, byteCount: header.payload.count, at: now
        )
        switch outcome {
        // Where retransmissions come on a stream of their own, what comes on the source's is only late.
        case .accepted:
            arrived(header.sequenceNumber, position, isOriginal: streams[position].hasRepairStream, at: now)
        case .restarted:
            streams[position].losses?.restart()
            arrived(header.sequenceNumber, position, isOriginal: true, at: now)
        // Whether it counts is for the next packet to say.
        case .unexpected: break
        case .duplicate:
            drops.duplicates &+= 1
            return nil
        }
        return IngestedPacket(header: header, kind: section.kind, layer: layer)
    }

    /// Takes a retransmission for the packet it brings back. It does not count as received, so that reports go on to
    /// tell the publisher what its link loses.
    private func restore(
        _ packet: RawSpan, _ header: RTPHeader, _ section: IngestSection, layer: Int, at now: Instant
    ) -> IngestedPacket? {
        let kind = section.kind
        guard let position = streams.firstIndex(where: { $0.kind == kind && $0.layer == layer }),
            let format = section.retransmissions.first(where: { $0.payloadType == header.payloadType })
        else {
            drops.unknownSource &+= 1
            return nil
        }
        restored.removeAll(keepingCapacity: true)
        let result = RetransmissionFormat.unwrap(
            packet, header: header, ssrc: streams[position].ssrc, payloadType: format.original, into: &restored)
        guard result == .packet, let original = restored.withBytes({ try? RTPHeader(parsing: $0) }) else {
            if result == .probe { drops.probes &+= 1 } else { drops.malformed &+= 1 }
            return nil
        }
        formerRepairs.retransmissions &+= 1
        streams[position].hasRepairStream = true
        guard streams[position].statistics.restored(sequenceNumber: original.sequenceNumber) else {
            drops.duplicates &+= 1
            return nil
        }
        arrived(original.sequenceNumber, position, isOriginal: false, at: now)
        return IngestedPacket(header: original, kind: kind, layer: layer, isRestored: true)
    }

    /// Lends the packet that ``received(_:at:)`` has just restored from a retransmission.
    public func withRestoredPacket<R>(_ body: (RawSpan) -> R) -> R { restored.withBytes(body) }

    private func arrived(_ sequenceNumber: UInt16, _ position: Int, isOriginal: Bool, at now: Instant) {
        streams[position].latestSequenceNumber = sequenceNumber
        guard streams[position].losses?.received(sequenceNumber, isOriginal: isOriginal, at: now) == true else {
            return
        }
        streams[position].isLeftToKeyframe = true
        requestKeyframe(streams[position].kind, layer: streams[position].layer, at: now)
    }

    private func stream(_ ssrc: UInt32, _ section: IngestSection, layer: Int, at now: Instant) -> Int {
        if let known = streams.firstIndex(where: { $0.ssrc == ssrc }) { return known }
        let kind = section.kind
        // An encoder that restarted under another SSRC takes its predecessor's place (RTP-8).
        var keyframes = KeyframeRequester()
        if let predecessor = streams.firstIndex(where: { $0.kind == kind && $0.layer == layer }) {
            // Whoever waited for a keyframe of the old source waits for one of the new.
            keyframes = streams[predecessor].keyframes
            if let losses = streams[predecessor].losses { formerRepairs.add(losses.statistics) }
            streams.remove(at: predecessor)
        }
        streams.append(
            IngestStream(
                ssrc: ssrc, kind: kind, layer: layer, clockRate: section.clockRate, keyframes: keyframes,
                losses: section.feedback.contains(.nack) ? NackGenerator(limits: Self.lossLimits) : nil))
        if pendingRequests.remove(PendingRequest(kind: kind, layer: layer)) != nil {
            requestKeyframe(kind, layer: layer, at: now)
        }
        return streams.count - 1
    }

    /// Takes one compound RTCP packet. A malformed part ends the reading, not what was read before it.
    public func receivedControl(_ compound: RawSpan, at now: Instant, _ body: (IngestControl) -> Void) {
        var packets = RTCPIterator()
        var hasAnswered = false
        while true {
            let packet: RTCPPacket?
            do throws(WireError) {
                packet = try packets.next(in: compound)
            } catch {
                drops.malformed &+= 1
                return
            }
            guard let packet else { return }
            switch packet {
            case .senderReport(let report, _):
                guard let index = streams.firstIndex(where: { $0.ssrc == report.ssrc }) else { continue }
                streams[index].statistics.senderReportReceived(ntp: report.ntp, at: now)
                body(.senderReport(report, kind: streams[index].kind, layer: streams[index].layer))
            case .goodbye(let sources):
                for stream in streams where sources.contains(stream.ssrc, in: compound) {
                    body(.goodbye(kind: stream.kind, layer: stream.layer))
                }
            case .extendedReport(_, let blocks):
                answer(blocks, in: compound, &hasAnswered)
            default: continue
            }
        }
    }

    /// Answers a publisher's receiver reference time, so that it can tell its round trip (RTP-75).
    ///
    /// One answer to a compound packet, however many times it asks.
    private func answer(_ blocks: ExtendedReportList, in compound: RawSpan, _ hasAnswered: inout Bool) {
        blocks.forEach(in: compound) { block in
            guard !hasAnswered, case .receiverReferenceTime(let ntp) = block, let stream = streams.first else { return }
            hasAnswered = true
            beginControl()
            RTCPWriter.appendDelaySinceLastReceiverReport(
                sender: localSSRC, ssrc: stream.ssrc, lastReceiverReport: UInt32(truncatingIfNeeded: ntp >> 16),
                delay: 0, to: &output)
        }
    }

    // MARK: keyframes

    /// Asks the publisher for a random access point of one layer; requests of many viewers become few (RTP-60).
    public func requestKeyframe(_ kind: MediaKind, layer: Int, at now: Instant) {
        guard let index = streams.firstIndex(where: { $0.kind == kind && $0.layer == layer }) else {
            pendingRequests.insert(PendingRequest(kind: kind, layer: layer))
            return
        }
        if streams[index].keyframes.requested(at: now) { sendKeyframeRequest(index) }
    }

    /// The first packet of a random access point came.
    public func keyframeReceived(_ kind: MediaKind, layer: Int) {
        guard let index = streams.firstIndex(where: { $0.kind == kind && $0.layer == layer }) else { return }
        streams[index].keyframes.keyframeReceived()
        if streams[index].isLeftToKeyframe {
            streams[index].isLeftToKeyframe = false
            let first = streams[index].latestSequenceNumber
            streams[index].losses?.forget(before: first)
        }
    }

    private func sendKeyframeRequest(_ index: Int) {
        let stream = streams[index]
        guard let section = sections.first(where: { $0.kind == stream.kind }) else { return }
        if section.feedback.contains(.nackPLI) {
            beginControl()
            RTCPWriter.appendPictureLossIndication(sender: localSSRC, media: stream.ssrc, to: &output)
        } else if section.feedback.contains(.ccmFIR) {
            beginControl()
            RTCPWriter.appendFullIntraRequest(
                sender: localSSRC, media: stream.ssrc, sequenceNumber: stream.keyframes.fullIntraRequestSequenceNumber,
                to: &output)
        } else {
            return
        }
        keyframeRequestsSent &+= 1
    }

    // MARK: time and output

    public var nextDeadline: Instant {
        var deadline = nextReport
        if let feedback = transportWide?.nextDeadline { deadline = min(deadline, feedback) }
        for stream in streams {
            if let request = stream.keyframes.nextDeadline { deadline = min(deadline, request) }
            if let request = stream.losses?.nextDeadline { deadline = min(deadline, request) }
        }
        return deadline
    }

    public func deadlineReached(at now: Instant) {
        for index in streams.indices where streams[index].keyframes.deadlineReached(at: now) {
            sendKeyframeRequest(index)
        }
        for index in streams.indices { requestLostPackets(index, at: now) }
        if let due = transportWide?.nextDeadline, due <= now {
            beginControl()
            // Probes come before any stream; feedback on them names none.
            transportWide?.append(sender: localSSRC, media: streams.first?.ssrc ?? 0, to: &output)
        }
        if nextReport <= now {
            nextReport = now.advanced(byMilliseconds: Self.reportIntervalMilliseconds)
            appendReports(at: now)
        }
    }

    private func requestLostPackets(_ index: Int, at now: Instant) {
        guard let due = streams[index].losses?.nextDeadline, due <= now else { return }
        requestedNumbers.removeAll(keepingCapacity: true)
        let abandoned = streams[index].losses?.statistics.abandoned
        streams[index].losses?.deadlineReached(at: now, into: &requestedNumbers)
        // What the publisher does not send again, no viewer gets: the picture stands until the next keyframe.
        if streams[index].kind == .video, streams[index].losses?.statistics.abandoned != abandoned {
            requestKeyframe(.video, layer: streams[index].layer, at: now)
        }
        guard !requestedNumbers.isEmpty else { return }
        beginControl()
        RTCPWriter.appendNegativeAcknowledgement(
            sender: localSSRC, media: streams[index].ssrc, sequenceNumbers: requestedNumbers, to: &output)
    }

    private func appendReports(at now: Instant) {
        guard !streams.isEmpty else { return }
        blocks.removeAll(keepingCapacity: true)
        for index in streams.indices {
            if let block = streams[index].statistics.makeReportBlock(ssrc: streams[index].ssrc, at: now) {
                blocks.append(block)
            }
        }
        RTCPWriter.appendReceiverReport(ssrc: localSSRC, blocks: blocks, to: &output)
        RTCPWriter.appendSourceDescription(ssrc: localSSRC, cname: canonicalName, to: &output)
        guard transportWide == nil else { return }
        let estimated = streams.filter { stream in
            sections.contains { $0.kind == stream.kind && $0.feedback.contains(.remb) }
        }
        if !estimated.isEmpty {
            RTCPWriter.appendReceiverEstimatedBitrate(
                sender: localSSRC, bitsPerSecond: Self.estimatedBitsPerSecond, ssrcs: estimated.map(\.ssrc), to: &output
            )
        }
    }

    /// Feedback alone is only for peers that agreed to reduced-size RTCP (RFC 5506); others get a whole compound.
    private func beginControl() {
        guard output.isEmpty else { return }
        appendPrefix(to: &output)
    }

    private func appendPrefix(to compound: inout [UInt8]) {
        guard !sections.allSatisfy(\.reducedSizeRTCP) else { return }
        RTCPWriter.appendReceiverReport(ssrc: localSSRC, blocks: [], to: &compound)
        RTCPWriter.appendSourceDescription(ssrc: localSSRC, cname: canonicalName, to: &compound)
    }

    /// Hands the RTCP that has gathered to `body`, as one compound packet, or as several when it does not fit a
    /// datagram; nothing when there is none.
    public func drainControl(_ body: (RawSpan) -> Void) {
        guard !output.isEmpty else { return }
        if output.count <= Self.maximumCompoundSize { output.withBytes { body($0) } } else { drainParts(body) }
        output.removeAll(keepingCapacity: true)
    }

    private func drainParts(_ body: (RawSpan) -> Void) {
        var compound: [UInt8] = []
        output.withBytes { output in
            var start = 0
            while let words = output.integer(at: start + 2, as: UInt16.self) {
                let end = min(start + 4 + 4 * Int(words), output.byteCount)
                if !compound.isEmpty, compound.count + end - start > Self.maximumCompoundSize {
                    compound.withBytes { body($0) }
                    compound.removeAll(keepingCapacity: true)
                    appendPrefix(to: &compound)
                }
                compound.append(contentsOf: output.extracting(start..<end))
                start = end
            }
        }
        if !compound.isEmpty { compound.withBytes { body($0) } }
    }

    /// Appends what tells the publisher that this side is leaving.
    public func appendGoodbye(to output: inout [UInt8]) {
        RTCPWriter.appendReceiverReport(ssrc: localSSRC, blocks: [], to: &output)
        RTCPWriter.appendGoodbye(ssrc: localSSRC, to: &output)
    }

    /// What became of the packets the publisher was asked to send again.
    public var repairs: IngestRepairStatistics {
        var repairs = formerRepairs
        for stream in streams {
            if let losses = stream.losses { repairs.add(losses.statistics) }
        }
        return repairs
    }

    /// The publisher's streams as they are received, for statistics.
    public var received: [(kind: MediaKind, layer: Int, statistics: ReceiveStatistics)] {
        streams.map { ($0.kind, $0.layer, $0.statistics) }
    }
}
