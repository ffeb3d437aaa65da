import Codecs
public import RTP
public import Wire

/// One viewer's side of a track: which layer it gets, under which numbers.
///
/// Made by the viewer's peer and handed to the track, which owns it from then on; it lives on the room's loop.
/// It rewrites packets and hands them to the viewer's transport, where they are numbered and encrypted.
public final class DownTrack {
    public let viewer: PeerID
    public let format: DownTrackFormat
    let sink: any PacketSink
    var forwarder: StreamForwarder
    var fastStarts = FastStart.Record()
    private var selector = LayerSelector()
    private var silence = ViewerSilence()
    private var reportedLayers: LayerChoice?
    private var reported = false
    private var packetsAtReport: UInt64 = 0

    public var sent: SenderStatistics { forwarder.sent }
    /// Whether media has been sent without a report yet.
    var needsFirstReport: Bool { !reported && forwarder.sent.packets > 0 }
    /// The encoding forwarded now; nil while waiting for a keyframe.
    public var currentLayer: Int? { forwarder.layer }

    /// Whether frames are held back because the viewer's link does not carry them.
    var isHeldBack: Bool { forwarder.isHeldBack }

    /// Whether a keyframe is to be asked for so that frames that were held back can go on.
    func takesKeyframeRequest(at now: Instant) -> Bool { forwarder.takesKeyframeRequest(at: now) }

    public init(viewer: PeerID, format: DownTrackFormat, sink: any PacketSink) {
        self.viewer = viewer
        self.format = format
        self.sink = sink
        forwarder = StreamForwarder(format: format, sink: sink)
    }

    /// One more is served by this, who was told `sets` beforehand.
    func isShared(with sets: [[UInt8]]) { forwarder.isShared(with: sets) }

    /// Another publication feeds the track: packets pass again from its first keyframe on.
    func sourceChanged(encodings names: [String]) {
        reported = false
        selector.preference.follow(names)
        selector.reset()
        forwarder.sourceChanged()
    }

    /// Forwards a run: each packet of the wanted layers, from a packet on at which they can start. A viewer that catches
    /// up finds it in the history.
    func forward(_ run: borrowing PacketRun, statistics: inout TrackStatistics) {
        guard forwarder.catchUp == nil else { return }
        forwarder.forward(run, statistics: &statistics)
    }

    // MARK: layers

    /// The encodings of which the viewer needs a random access point, as bits.
    func awaitedEncodings(at now: Instant) -> UInt64 { forwarder.needsKeyframe(at: now) ? forwarder.target.bit : 0 }
    /// The encodings that the viewer gets or is to get, as bits.
    var usedEncodings: UInt64 {
        forwarder.target.bit | (forwarder.layer.map { LayerChoice(encoding: $0).bit } ?? 0)
    }

    var layers: ViewerLayers {
        ViewerLayers(preference: selector.preference, current: forwarder.current, target: forwarder.target)
    }

    func prefer(_ preference: LayerPreference) { selector.preference = preference }

    /// Chooses what is to be forwarded from now on, as far as the link and the viewer's wishes go.
    func chooseLayers(from ladder: LayerLadder, at now: Instant) {
        selector.evaluate(ladder, budget: sink.videoBitsPerSecond(at: now), at: now)
        guard selector.target != nil else { return }
        forwarder.aim(by: selector)
        sink.wantsVideo(bitsPerSecond: selector.wantedBitsPerSecond)
    }

    /// What the viewer gets, when that has changed since this was asked last.
    func takeLayerChange() -> ViewerLayers? {
        guard forwarder.current != reportedLayers, forwarder.current != nil, format.track.kind == .video else {
            return nil
        }
        reportedLayers = forwarder.current
        return layers
    }

    // MARK: repair

    /// What the viewer asked for again and what became of it.
    var repairs: RepairStatistics { forwarder.repairs }

    /// The viewer cannot go on without a keyframe.
    func pictureLost() { forwarder.pictureLost() }

    /// The packet to send again for a viewer that misses `sequenceNumber`; nil when there is none or it had it often
    /// enough.
    func requested(
        _ sequenceNumber: UInt16, roundTripNanoseconds: UInt64, at now: Instant
    ) -> RetransmissionGate.Answer? {
        silence.requested(at: now)
        let answer = forwarder.requested(sequenceNumber, roundTripNanoseconds: roundTripNanoseconds, at: now)
        if let packet = answer?.packet {
            silence.answers(
                lateness: packet.lateness(at: now), isFirst: packet.tries == 0,
                roundTripNanoseconds: roundTripNanoseconds, at: now)
        }
        return answer
    }

    /// The viewer's feedback told of a packet.
    func heard(_ news: VideoNews, at now: Instant) {
        if !news.hasArrived { silence.lost(at: now) }
        forwarder.heard(news, at: now)
    }

    /// Feedback or a request came.
    func heard(isReport: Bool, at now: Instant) { silence.heard(isReport: isReport, at: now) }

    /// Whether a keyframe is to be asked for because nothing comes from the viewer any more, which misses something.
    func takesKeyframeInSilence(at now: Instant) -> Bool {
        !isHeldBack && silence.takesKeyframe(at: now) && sink.canSend
    }

    /// The next packet, from `index` on, that the viewer is known to miss and should have asked for.
    func unasked(
        from index: inout Int, roundTripNanoseconds: UInt64, at now: Instant
    ) -> RetransmissionGate.Answer? {
        forwarder.unasked(from: &index, roundTripNanoseconds: roundTripNanoseconds, at: now)
    }

    /// Sends what ``requested(_:roundTripNanoseconds:at:)`` found, in the way the viewer negotiated.
    ///
    /// - Parameters:
    ///   - packet: as it came from the publisher.
    ///   - map: the publisher's extension ids.
    func sendAgain(
        _ answer: RetransmissionGate.Answer, _ packet: RawSpan, publisher map: HeaderExtensionMap, at now: Instant
    ) {
        forwarder.sendAgain(answer, packet, publisher: map, at: now)
    }

    /// What ``requested(_:roundTripNanoseconds:at:)`` found is no longer in the track's history.
    func isGone(_ answer: RetransmissionGate.Answer) { forwarder.isGone(answer) }

    /// Whether the viewer has asked, since the last call, for a packet that it will never get.
    func takeBeyondRepair() -> Bool { forwarder.takeBeyondRepair() }

    /// Whether what the viewer is sent waits for its turn for long, because its link is too small.
    func waits(at now: Instant) -> Bool { forwarder.playoutDelay.isLinkSmall(at: now) }

    /// Whether the viewer was found, since the last call, to miss something for so long that it stands still. What it misses
    /// is still sent again: that may come before a keyframe does.
    func takeStuck(at now: Instant) -> Bool { forwarder.takeStuck(at: now) && !isHeldBack }

    // MARK: reports

    /// Sends a sender report with the CNAME, in the time base that audio and video of the publisher share (RTP-70).
    /// Nothing when nothing was sent since the last one: a silent source is no sender (RFC 3550, section 6.4).
    func sendReport(mapping: TimestampMapping, wallClock: WallClock, at now: Instant, into scratch: inout [UInt8]) {
        guard sent.packets > packetsAtReport,
            let made = sent.makeReport(
                ssrc: format.ssrc, rewriter: forwarder.rewriter, mapping: mapping, wallClock: wallClock, at: now)
        else { return }
        reported = true
        packetsAtReport = sent.packets
        scratch.removeAll(keepingCapacity: true)
        RTCPWriter.append(made, to: &scratch)
        RTCPWriter.appendSourceDescription(ssrc: format.ssrc, cname: format.canonicalName, to: &scratch)
        _ = scratch.withBytes { sink.enqueueControl($0) }
    }

    /// Tells the viewer that the source is gone for now (RTP-31).
    func sendGoodbye(into scratch: inout [UInt8]) {
        guard sent.packets > 0, format.saysGoodbye else { return }
        scratch.removeAll(keepingCapacity: true)
        RTCPWriter.appendReceiverReport(ssrc: format.ssrc, blocks: [], to: &scratch)
        RTCPWriter.appendGoodbye(ssrc: format.ssrc, to: &scratch)
        _ = scratch.withBytes { sink.enqueueControl($0) }
    }
}
