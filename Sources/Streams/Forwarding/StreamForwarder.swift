import Codecs
import RTP
import Wire

/// What changes in a ``DownTrack`` with every packet, as one value.
///
/// A value of its own so that a whole run is forwarded under one access to it: the exclusivity of a class's properties
/// is checked at run time, and a check for each of them and each packet costs as much as the forwarding.
struct StreamForwarder {
    let sink: any PacketSink
    private let packetClass: PacketClass
    private let codec: Codec
    let payloadType: UInt8
    let ssrc: UInt32
    var extensions: HeaderExtensionForwarding
    private let removesFiller: Bool
    /// As the packet has them that would bring them; nil when the viewer was told none.
    private var toldParameterSets: [UInt8]?

    private(set) var rewriter: StreamRewriter
    var pictures: PictureRewriter
    private var admission = FrameAdmission()
    /// The encoding that is being forwarded; nil until a keyframe of the wanted one arrives.
    private(set) var layer: Int?
    /// The publisher's SSRC of that encoding.
    private var source: UInt32 = 0
    /// What is to be forwarded.
    private(set) var target = LayerChoice(encoding: 0)
    /// The highest layers that ``target`` means, by number.
    private var targetHighest = (spatial: LayerChoice.topmost, temporal: LayerChoice.topmost)
    /// The layers of any encoding above which the viewer wants nothing.
    private var limit = LayerChoice(encoding: 0)
    /// Encodings with which a viewer that has nothing yet may begin, as bits.
    private var startable: UInt64 = 1
    /// Whether the old encoding stops with its frame, before the target's keyframe.
    private var leavesAtOnce = false
    private var filter = LayerFilter()
    private var frameNumbers = FrameNumbering()
    /// Where the packet lies at which that encoding began.
    private var startPosition: Int64 = -1
    /// Where that encoding's own first packet lies; the next one when it began with parameter sets made here.
    private var ownStartPosition: Int64 = -1
    /// Whether something of it has been sent.
    private var hasSentSinceStart = false
    /// The publisher's timestamp of the newest packet sent.
    private var frameTimestamp: UInt32 = 0
    /// The newest timestamp sent.
    private var newestTimestamp: Int64?
    private var wantsKeyframe = true
    /// The way from a cached keyframe to the live edge; nil at the live edge.
    private(set) var catchUp: CatchUp?
    /// The timestamps of that way; nil when there has been none.
    private var compressedTimes: CompressedTimes?
    /// Since when the viewer has waited for a picture; nil when it is not waiting.
    var waitsForPictureSince: Instant?
    /// Whether no frame is held back on the way from a cached keyframe, because the publisher sends no other on request.
    var catchesUpWhole = false
    var sent = SenderStatistics()
    /// Whether the viewer's transport takes nothing for now: what comes meanwhile costs no numbers (SRTP-3).
    private var isCutOff = false

    let repair: DownTrackFormat.Repair?
    /// nil when the viewer cannot ask for packets again.
    var gate: RetransmissionGate?
    /// The next sequence number of the stream for retransmissions.
    var nextRepair: UInt16 = 0
    var playoutDelay: PlayoutDelayTeller

    init(format: DownTrackFormat, sink: any PacketSink) {
        self.sink = sink
        payloadType = format.payloadType
        ssrc = format.ssrc
        let isVideo = format.track.kind == .video
        packetClass = isVideo ? .video : .audio
        codec = format.track.codec
        rewriter = StreamRewriter(
            firstSequenceNumber: format.firstSequenceNumber, firstTimestamp: format.firstTimestamp,
            clockRate: format.track.clockRate, framesEndWithMarker: isVideo)
        pictures = PictureRewriter(
            codec: format.track.codec, firstPictureID: format.firstSequenceNumber,
            removesFiller: format.removesFiller)
        removesFiller = format.removesFiller
        toldParameterSets = ParameterSets(codec: format.track.codec, announced: format.toldParameterSets).payload
        playoutDelay = PlayoutDelayTeller(format)
        extensions = HeaderExtensionForwarding(
            viewer: format.extensions, mid: format.mid, replacesPlayoutDelay: format.playoutDelay != nil)
        repair = format.repair
        if repair != nil { gate = RetransmissionGate() }
        if case .ownStream(_, _, let first) = repair { nextRepair = first }
    }

    /// Whether the viewer waits for a random access point.
    func needsKeyframe(at now: Instant) -> Bool {
        packetClass == .video && (wantsKeyframe || filter.needsKeyframe(at: now))
    }

    /// Whether frames are held back because the viewer's link does not carry them.
    var isHeldBack: Bool { admission.isHolding }

    /// Whether a keyframe is to be asked for so that frames that were held back can go on.
    func takesKeyframeRequest(at now: Instant) -> Bool {
        admission.isHolding && sink.takesKeyframeRequest(at: now)
    }

    mutating func sourceChanged() {
        layer = nil
        wantsKeyframe = true
        catchUp = nil
        waitsForPictureSince = nil
        target = LayerChoice(encoding: 0)
        startable = 1
        leavesAtOnce = false
        filter = LayerFilter()
    }

    /// What is being forwarded; nil while waiting for a keyframe.
    var current: LayerChoice? {
        layer.map { LayerChoice(encoding: $0, spatialLayer: filter.spatial, temporalLayer: filter.temporal) }
    }

    /// Changes what is to be forwarded, from the next point on at which a decoder can follow.
    mutating func aim(by selector: LayerSelector) {
        guard let target = selector.target else { return }
        // What the ladder has no layer above, now, may get one before it is looked at again.
        self.target = selector.limited(target)
        limit = selector.limited(LayerChoice(encoding: target.encoding))
        startable = selector.startable
        leavesAtOnce = selector.leavesAtOnce
        wantsKeyframe = layer != target.encoding
        targetHighest = (selector.highestSpatial, selector.highestTemporal)
        if layer == target.encoding {
            aimFilter()
        } else if selector.isReducing {
            filter.aim(spatial: 0, temporal: 0, highestSpatial: 0, highestTemporal: 0)
        } else {
            filter.limit(spatial: limit.spatialLayer, temporal: limit.temporalLayer)
        }
    }

    private mutating func aimFilter() {
        filter.aim(
            spatial: target.spatialLayer, temporal: target.temporalLayer, highestSpatial: targetHighest.spatial,
            highestTemporal: targetHighest.temporal)
    }

    mutating func forward(_ run: borrowing PacketRun, statistics: inout TrackStatistics) {
        isCutOff = !sink.canSend
        run.lendEach { entry, packet in forward(entry, packet, statistics: &statistics) }
    }

    /// Forwards one packet, holds it back, or goes over to its encoding when that is the wanted one and can start here.
    private mutating func forward(_ entry: RunEntry, _ packet: RawSpan, statistics: inout TrackStatistics) {
        if entry.repeatedBehind >= 0, entry.repeatedBehind != ownStartPosition { return }
        // An encoder that restarts comes back under another SSRC, with numbers of its own (RTP-8).
        if entry.layer == layer, entry.header.ssrc != source { layer = nil }
        if entry.isInserted, entry.layer == layer || isTold(packet.extracting(entry.header.payload)) { return }
        if layer != target.encoding {
            if leavesAtOnce, entry.layer == layer, entry.header.timestamp != frameTimestamp { leave() }
            let isWanted =
                entry.layer == target.encoding
                || layer == nil && startable & LayerChoice(encoding: entry.layer).bit != 0
            if isWanted, canStart(at: entry) { start(at: entry, packet) }
        }
        wantsKeyframe = layer != target.encoding
        guard entry.layer == layer else {
            statistics.packetsHeldBack &+= 1
            return
        }
        let verdict: LayerFilter.Verdict =
            entry.header.payload.isEmpty || isRemoved(entry)
            ? .drop : packetClass == .audio ? .pass(marker: entry.header.marker) : filter.judge(entry)
        guard case .pass(let marker) = verdict, packetClass == .audio ? !isCutOff : admits(entry) else {
            let place = rewriter.drop(
                sequenceNumber: entry.header.sequenceNumber, timestamp: entry.header.timestamp, captured: entry.captured
            )
            pictures.drop(packet.extracting(entry.header.payload))
            statistics.packetsHeldBack &+= 1
            if let place, repair != nil { sendPadding(entry, place) }
            return
        }
        // Begun while the link refused: what it begins with for the viewer is this keyframe, unless it is a late one of before.
        if !hasSentSinceStart, entry.summary.isKeyframeStart, entry.position != startPosition, packetClass == .video,
            !rewriter.isLate(entry.header.sequenceNumber)
        {
            beginNumbers(at: entry, packet)
        }
        guard
            var position = rewriter.rewrite(
                sequenceNumber: entry.header.sequenceNumber, timestamp: entry.header.timestamp,
                marker: marker, captured: entry.captured)
        else {
            statistics.packetsHeldBack &+= 1
            return
        }
        hasSentSinceStart = true
        frameTimestamp = entry.header.timestamp
        compress(&position)
        newestTimestamp = max(newestTimestamp ?? .min, position.extendedTimestamp)
        if entry.summary.isKeyframeStart { waitsForPictureSince = nil }
        // From here on its decoder has these, whatever it was told.
        if entry.summary.hasParameterSets { toldParameterSets = nil }
        if send(entry, packet, position, marker: marker) {
            sent.sent(payloadSize: entry.header.payload.count)
            statistics.packetsSent &+= 1
            statistics.bytesSent &+= UInt64(packet.byteCount)
        } else {
            statistics.packetsRefused &+= 1
        }
    }

    mutating func isShared(with sets: [[UInt8]]) {
        if ParameterSets(codec: codec, announced: sets).payload != toldParameterSets { toldParameterSets = nil }
    }

    /// Whether the viewer knows these parameter sets already (PAY-8).
    private func isTold(_ payload: RawSpan) -> Bool {
        guard let told = toldParameterSets, told.count == payload.byteCount else { return false }
        for index in told.indices where payload.integer(at: index) != told[index] { return false }
        return true
    }

    /// Whether the packet holds nothing that the viewer needs (PAY-10).
    private func isRemoved(_ entry: RunEntry) -> Bool {
        removesFiller && entry.summary.isFiller && !entry.header.marker
            && !rewriter.isLate(entry.header.sequenceNumber)
    }

    /// Whether the packet's frame is sent: all of it or nothing (RTP-97).
    private mutating func admits(_ entry: RunEntry) -> Bool {
        // Once a link has taken nothing for a while, a decoder can go on at a keyframe alone.
        if catchUp != nil, catchesUpWhole, !isCutOff, !admission.isHolding {
            admission.passed(
                entry.header.timestamp, sequenceNumber: entry.header.sequenceNumber,
                isKeyframeStart: entry.summary.isKeyframeStart)
            return true
        }
        let isAdmitted = admission.admits(
            entry.header.timestamp, sequenceNumber: entry.header.sequenceNumber,
            isKeyframeStart: entry.summary.isKeyframeStart, to: sink, at: entry.arrival)
        if !isAdmitted, !isCutOff {
            playoutDelay.heldBack(at: entry.arrival)
            if playoutDelay.bits != nil { extensions.replacePlayoutDelay() }
        }
        return isAdmitted
    }

    private func canStart(at entry: RunEntry) -> Bool {
        if entry.header.payload.isEmpty || entry.isBehindItsRepeats && catchUp == nil { return false }
        return packetClass == .audio || entry.summary.isKeyframeStart
    }

    private mutating func start(at entry: RunEntry, _ packet: RawSpan) {
        beginNumbers(at: entry, packet)
        hasSentSinceStart = false
        layer = entry.layer
        source = entry.header.ssrc
        startPosition = entry.position
        ownStartPosition = entry.isInserted ? entry.position + 1 : entry.position
        admission = FrameAdmission()
        startFilter()
    }

    /// The viewer's numbers and timestamps go over to those of the entry's source, or begin again with it.
    private mutating func beginNumbers(at entry: RunEntry, _ packet: RawSpan) {
        rewriter.switchSource(
            to: StreamRewriter.SourceStart(
                sequenceNumber: entry.header.sequenceNumber, timestamp: entry.header.timestamp,
                captured: entry.captured), catchesUp: catchUp != nil)
        pictures.switchSource(packet.extracting(entry.header.payload))
        if let number = entry.frameNumber { frameNumbers.switchSource(at: number) }
    }

    /// The link became so small that what waits of the old encoding would only hold up the keyframe of the new one.
    private mutating func leave() {
        layer = nil
        gate?.withdraw()
        sink.withdrawVideo()
    }

    /// A stand-in for the wanted encoding passes as far as the viewer wants it.
    private mutating func startFilter() {
        filter = LayerFilter()
        if layer == target.encoding {
            aimFilter()
        } else {
            filter.limit(spatial: limit.spatialLayer, temporal: limit.temporalLayer)
        }
        filter.start()
    }

    private mutating func send(
        _ entry: RunEntry, _ packet: RawSpan, _ position: RewrittenPosition, marker: Bool
    ) -> Bool {
        let insertions = insertions(entry)
        let extensionSize = extensions.maximumSize(entry.extensions, insertions)
        let payload = packet.extracting(entry.header.payload)
        let maximumSize =
            RTPHeader.minimumSize + extensionSize + payload.byteCount
        let patch = pictures.rewrite(payload)
        let frameNumber = entry.frameNumber.map { frameNumbers.rewrite($0) }
        if entry.position >= 0 {
            // Kept even when the transport refuses it: then a later request is answered with the first sending.
            gate?.sent(
                PacketRecord(
                    position: entry.position, timestamp: position.timestamp, picture: patch.numbers, marker: marker,
                    frameNumber: frameNumber ?? 0),
                extendedSequenceNumber: position.extendedSequenceNumber, byteCount: packet.byteCount,
                startsKeyframe: entry.summary.isKeyframeStart, waits: playoutDelay.isLinkSmall(at: entry.arrival),
                at: entry.arrival)
        }
        let index = entry.extensions
        // Flat values: a captured format would be counted up and down for every packet.
        let (payloadType, ssrc, extensions) = (payloadType, ssrc, extensions)
        return sink.enqueue(packetClass, maximumSize: maximumSize) { output in
            RTPHeader.append(
                payloadType: payloadType, marker: marker, sequenceNumber: position.sequenceNumber,
                timestamp: position.timestamp, ssrc: ssrc, hasExtension: extensionSize > 0, to: &output)
            let slots =
                extensionSize > 0
                ? extensions.append(index, insertions, from: packet, frameNumber: frameNumber, to: &output)
                : PacketSlots()
            patch.append(payload, to: &output)
            return slots
        }
    }

    /// Sends padding in the place of a packet that is left out although later ones have gone: viewers would ask for it in
    /// vain and wait.
    private mutating func sendPadding(_ entry: RunEntry, _ place: RewrittenPosition) {
        var position = place
        compress(&position)
        var record = PacketRecord(position: entry.position, timestamp: position.timestamp)
        record.isPadding = true
        gate?.sent(
            record, extendedSequenceNumber: position.extendedSequenceNumber, byteCount: 0, startsKeyframe: false,
            at: entry.arrival)
        let (payloadType, ssrc) = (payloadType, ssrc)
        let (sequenceNumber, timestamp) = (position.sequenceNumber, position.timestamp)
        _ = sink.enqueue(packetClass, maximumSize: RTPHeader.minimumSize + 1) { output in
            RTPHeader.appendPadding(
                payloadType: payloadType, sequenceNumber: sequenceNumber, timestamp: timestamp, ssrc: ssrc,
                to: &output)
            return PacketSlots()
        }
    }

    // MARK: catching up

    /// Begins again with a cached keyframe's first packet; the rest follows by ``catchUp(from:limit:statistics:at:)``.
    mutating func begin(
        _ catchUp: CatchUp, _ times: CompressedTimes, at first: RunEntry, _ packet: RawSpan,
        statistics: inout TrackStatistics
    ) {
        layer = nil
        isCutOff = !sink.canSend
        self.catchUp = catchUp
        compressedTimes = times
        compressedTimes?.leastTimestamp = newestTimestamp.map { $0 + 1 }
        var first = first
        first.arrival = catchUp.startedAt
        forward(first, packet, statistics: &statistics)
    }

    /// Gives the position the timestamp that it has on the way to the live edge.
    private mutating func compress(_ position: inout RewrittenPosition) {
        // Nothing was sent on the way itself, so there is nothing that has to be caught up.
        if catchUp == nil, compressedTimes?.hasBegun == false { compressedTimes = nil }
        if let timestamp = compressedTimes?.compressed(position.extendedTimestamp) {
            position.extendedTimestamp = timestamp
        }
    }

    mutating func stopCatchingUp() {
        catchUp = nil
        waitsForPictureSince = nil
    }

    func startableEncoding(_ isCached: (Int) -> Bool) -> Int? {
        if isCached(target.encoding) { return target.encoding }
        var remaining = startable
        while remaining != 0 {
            let encoding = remaining.trailingZeroBitCount
            if isCached(encoding) { return encoding }
            remaining &= remaining - 1
        }
        return nil
    }

    /// Sends what is due of the history up to `end`, at most `limit` packets.
    ///
    /// - Returns: how many it looked at.
    mutating func catchUp(
        from store: borrowing PacketStore, limit: Int, statistics: inout TrackStatistics, at now: Instant
    ) -> Int {
        isCutOff = !sink.canSend
        var count = 0
        while count < limit, let current = catchUp, current.next < store.nextPosition {
            let wasDue = store.withEntry(at: current.next) { entry, packet in
                guard current.isDue(entry.captured, at: now) else { return false }
                // To the viewer it arrives now; how long it may be asked for again counts from here.
                var entry = entry
                entry.arrival = now
                forward(entry, packet, statistics: &statistics)
                return true
            }
            guard let wasDue else {
                // The history ran away under it: only a keyframe helps.
                sourceChanged()
                return count
            }
            guard wasDue else { return count }
            catchUp?.next = current.next + 1
            count += 1
        }
        if let current = catchUp, current.next >= store.nextPosition, current.isOver(at: now) { catchUp = nil }
        return count
    }

    private mutating func insertions(_ entry: RunEntry) -> HeaderExtensionInsertions {
        // A packet sent again under its own number has to be the same, byte for byte, so it says nothing of the moment.
        if repair == .sameStream { return HeaderExtensionInsertions(playoutDelay: playoutDelay.bits) }
        return HeaderExtensionInsertions(
            playoutDelay: playoutDelay.take(isKeyframeStart: entry.summary.isKeyframeStart, at: entry.arrival),
            captureTime: entry.captureTime)
    }
}
