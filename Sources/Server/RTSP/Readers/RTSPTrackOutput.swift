import Codecs
import Loop
import RTP
import RTSP
import Streams
import Wire

/// One track as all RTSP readers of a room get it: rewritten once, framed once for each pair of channels, and shared.
///
/// It is the sink of a single DownTrack. What a turn brings is given to every reader at the turn's end; a reader that
/// cannot keep up loses whole runs until a keyframe, and nobody else notices (RTSP-28).
actor RTSPTrackOutput: LoopActor, PacketSink {
    struct Statistics: Sendable, Hashable {
        /// Packets handed to readers.
        var packets: UInt64 = 0
        /// Packets that slow readers lost.
        var discarded: UInt64 = 0
        /// Packets that did not fit into a turn.
        var overflowed: UInt64 = 0
    }

    private struct Reader {
        var output: RTSPReaderOutput
        /// Until a keyframe, or for audio until its queue is shorter.
        var isWaiting: Bool
    }

    /// More than a turn's worth of one track.
    private static let byteCapacity = 512 * 1024
    private static let packetCapacity = 512

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    nonisolated let format: TrackFormat

    private var run = PacketBatch(byteCapacity: byteCapacity, packetCapacity: packetCapacity)
    private var readers: [Reader] = []
    private var waitingCount = 0
    private var framed: [FramedRun] = []
    private var hook: (any TurnHook)?
    private var timer: (any LoopTimer)?
    private var gathering: RTSPGathering
    /// The room's audio, whose packets go out before this track's; nil for audio.
    private var companion: RTSPTrackOutput?
    private var cache = RTSPStartCache()
    /// The latest report, for readers that come between two.
    private var report: [UInt8] = []
    private var reportedAt = Instant(nanoseconds: 0)
    private var lastSequenceNumber: UInt16?
    private(set) var statistics = Statistics()

    /// What goes through the connections of all readers that have the same channel.
    private struct FramedRun {
        var channel: UInt8
        var bytes: [UInt8]
        /// From the first keyframe in the run on; nil when there is none or nobody waits for it.
        var fromKeyframe: [UInt8]?
    }

    init(format: TrackFormat, loop: EventLoop) {
        self.format = format
        eventLoop = loop
        gathering = RTSPGathering(kind: format.kind)
    }

    // MARK: readers

    var readerCount: Int { readers.count }

    func add(_ output: RTSPReaderOutput) {
        if hook == nil {
            hook = eventLoop.makeTurnHook(name: "rtsp readers") { self.flush() }
            timer = eventLoop.makeTimer(name: "rtsp readers") { self.flush() }
        }
        // What waits belongs to the time before.
        flush()
        if !report.isEmpty { output.sendControl(report) }
        let isWaiting = format.kind == .video && !sendStart(to: output)
        readers.append(Reader(output: output, isWaiting: isWaiting))
        waitingCount += isWaiting ? 1 : 0
        gathering.readerCount = readers.count
    }

    /// Has `audio` go out together with this track as long as both have readers.
    func accompany(_ audio: RTSPTrackOutput) {
        let isAccompanied = !readers.isEmpty
        companion = isAccompanied ? audio : nil
        audio.onLoop { $0.gathering.isAccompanied = isAccompanied }
    }

    /// Most packets of a start over UDP: more at once would not fit into a receiver's socket.
    private static let maximumStartDatagrams = 192

    /// Sends what came since the last keyframe; `false` when there is nothing, or too much at once.
    private func sendStart(to output: RTSPReaderOutput) -> Bool {
        guard cache.packetCount > 0 else { return false }
        switch output.way {
        case .connection(let connection, let channels):
            let start = framedStart(channel: channels.rtp)
            guard connection.onLoop({ $0.send(shared: start) }) else { return false }
        case .pusher(let pusher, let channels):
            let start = framedStart(channel: channels.rtp)
            guard pusher.onLoop({ $0.send(shared: start) }) else { return false }
        case .datagrams(let arena, let tuples):
            guard cache.packetCount <= Self.maximumStartDatagrams else { return false }
            cache.lendEach { packet in
                arena.onLoop {
                    _ = $0.append(along: tuples.rtp, maximumSize: packet.byteCount) { $0.append(contentsOf: packet) }
                }
            }
        case .protected(let connection, let track):
            guard cache.packetCount <= Self.maximumStartDatagrams else { return false }
            cache.lendEach { packet in connection.onLoop { _ = $0.sendProtected(packet, track: track) } }
        }
        statistics.packets &+= UInt64(cache.packetCount)
        return true
    }

    private func framedStart(channel: UInt8) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(cache.byteCount + InterleavedFrame.headerSize * cache.packetCount)
        cache.lendEach { InterleavedFrame.append($0, channel: channel, to: &bytes) }
        return bytes
    }

    func remove(_ peer: PeerID) {
        readers.removeAll { $0.output.peerID == peer }
        waitingCount = readers.count { $0.isWaiting }
        gathering.readerCount = readers.count
        guard readers.isEmpty else { return }
        // They keep the output alive.
        timer?.cancel()
        timer = nil
        hook = nil
    }

    /// Where a reader that is added now begins, as far as that is known.
    ///
    /// - Parameter isShared: whether it joins others, who are not sent anything again.
    func opening(overDatagrams: Bool, isShared: Bool) -> RTSPOpening {
        flush()
        var opening = RTSPOpening(clockRate: format.clockRate)
        if report.count >= 20, report[1] == 200 {
            report.withBytes { bytes in
                opening.report = bytes.integer(at: 8).flatMap { ntp in
                    bytes.integer(at: 16).map { RTSPOpening.Report(ntp: ntp, timestamp: $0, at: reportedAt) }
                }
            }
        }
        let isCached =
            !isShared && cache.packetCount > 0
            && (!overDatagrams || cache.packetCount <= Self.maximumStartDatagrams)
        if isCached, let first = cache.first {
            opening.sequenceNumber = first.sequenceNumber
            opening.timestamp = first.timestamp
        } else if format.kind == .audio {
            opening.sequenceNumber = lastSequenceNumber.map { $0 &+ 1 }
        }
        return opening
    }

    // MARK: packets in

    nonisolated func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        onLoop { $0.take(maximumSize) { _ = write(&$0) } }
    }

    private func take(_ maximumSize: Int, _ write: (inout OutputRawSpan) -> Void) -> Bool {
        guard !readers.isEmpty else { return true }
        if run.count >= Self.packetCapacity || !run.append(maximumSize: maximumSize, write) {
            flush()
            guard run.append(maximumSize: maximumSize, write) else {
                statistics.overflowed &+= 1
                return false
            }
        }
        let patience = run.isEmpty ? nil : run.withPacket(at: run.count - 1) { gathering.patience(after: $0) }
        if let patience {
            if timer?.deadline == nil { timer?.schedule(at: eventLoop.now.advanced(byMilliseconds: patience)) }
        } else {
            hook?.request()
        }
        return true
    }

    nonisolated func videoBitsPerSecond(at now: Instant) -> UInt64? { nil }

    nonisolated func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool { true }

    nonisolated func enqueueControl(_ packet: RawSpan) -> Bool {
        onLoop { output in
            // A report overtakes no packet.
            output.flush()
            output.report.removeAll(keepingCapacity: true)
            output.report.append(contentsOf: packet)
            output.reportedAt = output.eventLoop.now
            output.sendReport()
            return true
        }
    }

    /// Framed once for all readers that have the same channel, as packets are.
    private func sendReport() {
        var framed: (channel: UInt8, bytes: [UInt8])?
        for reader in readers {
            guard case .connection(let connection, let channels) = reader.output.way else {
                reader.output.sendControl(report)
                continue
            }
            guard let channel = channels.rtcp else { continue }
            if framed?.channel != channel {
                var bytes: [UInt8] = []
                bytes.reserveCapacity(InterleavedFrame.headerSize + report.count)
                report.withBytes { InterleavedFrame.append($0, channel: channel, to: &bytes) }
                framed = (channel, bytes)
            }
            if let bytes = framed?.bytes { connection.onLoop { _ = $0.send(shared: bytes) } }
        }
    }

    // MARK: packets out

    private func flush() {
        guard !run.isEmpty else { return }
        companion?.onLoop { $0.flush() }
        if timer?.deadline != nil { timer?.cancel() }
        let keyframe = format.kind == .video ? keepAndFindKeyframe() : nil
        framed.removeAll(keepingCapacity: true)
        for index in readers.indices { deliver(to: index, keyframe: keyframe) }
        if waitingCount > 0 { waitingCount = readers.count { $0.isWaiting } }
        run.withPacket(at: run.count - 1) { lastSequenceNumber = $0.integer(at: 2) }
        run.removeAll()
    }

    private func deliver(to index: Int, keyframe: Int?) {
        let output = readers[index].output
        var first = 0
        if readers[index].isWaiting {
            guard output.catchesUp(), format.kind == .audio || keyframe != nil else {
                statistics.discarded &+= UInt64(run.count)
                return
            }
            first = keyframe ?? 0
            readers[index].isWaiting = false
        }
        if send(to: output, from: first, keyframe: keyframe) {
            statistics.packets &+= UInt64(run.count - first)
        } else {
            statistics.discarded &+= UInt64(run.count - first)
            readers[index].isWaiting = true
            waitingCount += 1
            output.fellBehind()
        }
    }

    private func send(to output: RTSPReaderOutput, from first: Int, keyframe: Int?) -> Bool {
        switch output.way {
        case .connection(let connection, let channels):
            let bytes = framedRun(channel: channels.rtp, from: first, keyframe: keyframe)
            return connection.onLoop { $0.send(shared: bytes) }
        case .pusher(let pusher, let channels):
            let bytes = framedRun(channel: channels.rtp, from: first, keyframe: keyframe)
            return pusher.onLoop { $0.send(shared: bytes) }
        case .datagrams(let arena, let tuples):
            // What the socket does not take is lost, as on the network, and counted by the arena.
            for index in first..<run.count {
                run.withPacket(at: index) { packet in
                    arena.onLoop {
                        _ = $0.append(along: tuples.rtp, maximumSize: packet.byteCount) {
                            $0.append(contentsOf: packet)
                        }
                    }
                }
            }
            return true
        case .protected(let connection, let track):
            var isSent = true
            for index in first..<run.count where isSent {
                run.withPacket(at: index) { packet in
                    isSent = connection.onLoop { $0.sendProtected(packet, track: track) }
                }
            }
            return isSent
        }
    }

    /// The run with its frame headers, made by the first reader that needs it.
    private func framedRun(channel: UInt8, from first: Int, keyframe: Int?) -> [UInt8] {
        let known = framed.firstIndex { $0.channel == channel }
        let index = known ?? framed.count
        if known == nil { framed.append(FramedRun(channel: channel, bytes: frame(channel: channel, from: 0))) }
        guard first > 0, first == keyframe else { return framed[index].bytes }
        if let bytes = framed[index].fromKeyframe { return bytes }
        let bytes = frame(channel: channel, from: first)
        framed[index].fromKeyframe = bytes
        return bytes
    }

    private func frame(channel: UInt8, from first: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(run.byteCount + 4 * run.count)
        for index in first..<run.count {
            run.withPacket(at: index) { InterleavedFrame.append($0, channel: channel, to: &bytes) }
        }
        return bytes
    }

    /// Keeps the run for readers to come; the first packet of it with which a reader can begin.
    private func keepAndFindKeyframe() -> Int? {
        var first: Int?
        for index in 0..<run.count {
            run.withPacket(at: index) { packet in
                guard let header = try? RTPHeader(parsing: packet) else { return }
                let payload = packet.extracting(header.payload)
                let summary = PayloadInspector.inspect(payload, codec: format.codec)
                // Where no keyframe is known, a decoder that begins at a recovery point is better than none (PAY-12).
                let starts = summary.isKeyframeStart || summary.isRecoveryPoint && cache.packetCount == 0
                cache.append(packet, startsKeyframe: starts)
                if starts, first == nil { first = index }
            }
        }
        return first
    }
}
