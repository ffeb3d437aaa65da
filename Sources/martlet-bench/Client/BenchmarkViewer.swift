import ICE
import Loop
import RTP
import Secure
import Wire

/// Watches one room and counts what comes; it may also decrypt and check every packet.
actor BenchmarkViewer: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private static let reportMilliseconds: UInt64 = 1_000

    struct Statistics: Sendable {
        var packets: UInt64 = 0
        /// What the sequence numbers say should have come.
        var expected: UInt64 = 0
        /// Packets that were decrypted and whose content was as published.
        var intact: UInt64 = 0
        /// Packets that could not be decrypted, or whose content was not as published.
        var damaged: UInt64 = 0
    }

    private struct Stream {
        var ssrc: UInt32
        var first: Int64
        var numbers = SequenceUnwrapper()
        var packets: UInt64 = 0
    }

    private let isChecking: Bool
    private let givesFeedback: Bool
    private var feedback = TransportWideFeedback()
    private var feedbackTimer: (any LoopTimer)?
    private static let extensions = HeaderExtensionMap([(.transportWideCC, SessionOffer.transportWideExtension)])
    private var transport: ClientTransport?
    private var reportTimer: (any LoopTimer)?
    private var srtp: SRTPReceiver?
    private var streams: [Stream] = []
    private var blocks: [ReportBlock] = []
    private var control: [UInt8] = []
    private var intact: UInt64 = 0
    private var damaged: UInt64 = 0

    /// - Parameter isChecking: whether packets are decrypted and compared with what was published.
    /// - Parameter givesFeedback: whether it tells the server when packets arrived, as browsers do.
    init(on loop: EventLoop, isChecking: Bool, givesFeedback: Bool) {
        eventLoop = loop
        self.isChecking = isChecking
        self.givesFeedback = givesFeedback
    }

    func watch(_ room: String, as identity: ClientTransport.Identity, through signaling: SignalingClient) async throws {
        let offer = SessionOffer.text(
            credentials: identity.credentials, identity: identity.certificate, ssrcs: nil,
            givesFeedback: givesFeedback)
        let answer = try await signaling.answer(to: offer, room: room, word: "whep")
        transport = try ClientTransport(
            on: eventLoop, answer: answer, identity: identity, onConnected: { self.connected($0) },
            onMedia: { self.received(&$0) })
    }

    func stop() {
        reportTimer?.cancel()
        reportTimer = nil
        feedbackTimer?.cancel()
        feedbackTimer = nil
        transport?.close()
        transport = nil
    }

    private func connected(_ keys: SRTPKeyMaterial) {
        if isChecking { srtp = try? SRTPReceiver(keys) }
        reportTimer = eventLoop.makeTimer { [unowned self] in self.onLoop { $0.sendReport() } }
        feedbackTimer = eventLoop.makeTimer { [unowned self] in self.onLoop { $0.sendFeedback() } }
        sendReport()
    }

    private func received(_ datagram: inout MutableRawSpan) {
        guard DatagramKind(datagram.bytes) == .rtp, let number = datagram.bytes.integer(at: 2, as: UInt16.self),
            let ssrc = datagram.bytes.integer(at: 8, as: UInt32.self)
        else { return }
        if givesFeedback { note(datagram.bytes) }
        // Padding comes on the stream for retransmissions.
        guard datagram.bytes[1] & 0x7F != SessionOffer.retransmissionPayloadType else { return }
        let index = stream(ssrc, number)
        _ = streams[index].numbers.unwrap(number)
        streams[index].packets &+= 1
        if isChecking { check(&datagram) }
    }

    private func note(_ datagram: RawSpan) {
        guard let header = try? RTPHeader(parsing: datagram),
            let number = HeaderExtensionIndex(header, in: datagram, map: Self.extensions)
                .transportSequenceNumber(in: datagram)
        else { return }
        feedback.received(number, at: eventLoop.now)
        if let deadline = feedback.nextDeadline, feedbackTimer?.deadline == nil {
            feedbackTimer?.schedule(at: deadline)
        }
    }

    private func sendFeedback() {
        control.removeAll(keepingCapacity: true)
        feedback.append(sender: 1, media: streams.first?.ssrc ?? 0, to: &control)
        if !control.isEmpty { transport?.sendControl(&control) }
    }

    private func stream(_ ssrc: UInt32, _ number: UInt16) -> Int {
        if let known = streams.firstIndex(where: { $0.ssrc == ssrc }) { return known }
        var stream = Stream(ssrc: ssrc, first: 0)
        stream.first = stream.numbers.unwrap(number)
        streams.append(stream)
        return streams.count - 1
    }

    private func check(_ datagram: inout MutableRawSpan) {
        guard let srtp, let count = try? srtp.unprotect(&datagram) else {
            damaged &+= 1
            return
        }
        let packet = datagram.bytes.extracting(first: count)
        guard let header = try? RTPHeader(parsing: packet),
            SyntheticMedia.isIntact(
                packet.extracting(header.payload), isVideo: header.payloadType == SessionOffer.videoPayloadType)
        else {
            damaged &+= 1
            return
        }
        intact &+= 1
    }

    private func sendReport() {
        reportTimer?.schedule(at: eventLoop.now.advanced(byMilliseconds: Self.reportMilliseconds))
        blocks.removeAll(keepingCapacity: true)
        for stream in streams {
            blocks.append(
                ReportBlock(
                    ssrc: stream.ssrc, fractionLost: 0, cumulativeLost: 0,
                    extendedHighestSequenceNumber: UInt32(truncatingIfNeeded: stream.numbers.highest ?? 0), jitter: 0,
                    lastSenderReport: 0, delaySinceLastSenderReport: 0))
        }
        control.removeAll(keepingCapacity: true)
        RTCPWriter.appendReceiverReport(ssrc: 1, blocks: blocks, to: &control)
        transport?.sendControl(&control)
    }

    /// Whether audio and video have come.
    var hasVideo: Bool { streams.count == 2 }

    var statistics: Statistics {
        var sum = Statistics(intact: intact, damaged: damaged)
        for stream in streams {
            sum.packets &+= stream.packets
            sum.expected &+= UInt64(max(0, (stream.numbers.highest ?? stream.first) - stream.first + 1))
        }
        return sum
    }
}
