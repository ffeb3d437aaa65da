import Codecs
import Loop
import RTP
import RTSP
import Streams
import Synchronization
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
        /// GStreamer drops a report that is older than the first packet it got, and would wait for the next (RTSP-27).
        var owesReport: Bool
        var packets: UInt64 = 0
        var discarded: UInt64 = 0
        /// How far it is with what it begins with; nil once it gets everything with the others.
        var start: RTSPPacedStart?
    }

    /// More than a turn's worth of one track.
    private static let byteCapacity = 512 * 1024
    private static let packetCapacity = 512

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    nonisolated let format: TrackFormat

    private var run = PacketBatch(byteCapacity: byteCapacity, packetCapacity: packetCapacity)
    /// Of the run in the arenas of its readers; nil until one needs it.
    private var runNumber: UInt64?
    private var readers: [Reader] = []
    private var waitingCount = 0
    /// Readers that are sent what they begin with.
    private var startingCount = 0
    private var framed: [FramedRun] = []
    private var hook: (any TurnHook)?
    private var timer: (any LoopTimer)?
    private var startTimer: (any LoopTimer)?
    private var gathering: RTSPGathering
    /// The room's audio, whose packets go out before this track's; nil for audio.
    private var companion: RTSPTrackOutput?
    private var cache: RTSPStartCache
    /// For readers that come between two reports.
    private var report: RTSPLatestReport
    private var lastSequenceNumber: UInt16?
    private let beginsAtRecoveryPoints: () -> Bool
    private let counters: RTSPCounters
    private(set) var statistics = Statistics()

    /// What goes through the connections of all readers that have the same channel.
    private struct FramedRun {
        var channel: UInt8
        var bytes: [UInt8]
        /// From the first keyframe in the run on; nil when there is none or nobody waits for it.
        var fromKeyframe: [UInt8]?
    }

    /// - Parameter beginsAtRecoveryPoints: whether readers may begin where no keyframe is; called on the loop.
    init(
        format: TrackFormat, loop: EventLoop, counters: RTSPCounters,
        beginsAtRecoveryPoints: @escaping @Sendable () -> Bool
    ) {
        self.format = format
        self.counters = counters
        self.beginsAtRecoveryPoints = beginsAtRecoveryPoints
        eventLoop = loop
        gathering = RTSPGathering(kind: format.kind)
        cache = RTSPStartCache(isH265: format.codec == .h265)
        report = RTSPLatestReport(clockRate: format.clockRate)
    }

    // MARK: readers

    var readerCount: Int { readers.count }

    func add(_ output: RTSPReaderOutput) {
        if hook == nil {
            hook = eventLoop.makeTurnHook(name: "rtsp readers") { self.flush() }
            timer = eventLoop.makeTimer(name: "rtsp readers") { self.flush() }
            startTimer = eventLoop.makeTimer(name: "rtsp starts") { self.goOnStarting() }
        }
        // What waits belongs to the time before.
        flush()
        sendReport(to: output)
        var reader = Reader(output: output, isWaiting: format.kind == .video, owesReport: true)
        if reader.isWaiting { start(&reader) }
        let isWaiting = reader.isWaiting
        readers.append(reader)
        if reader.start != nil { goOnStarting() }
        waitingCount += isWaiting ? 1 : 0
        gathering.readerCount = readers.count
    }

    /// Has `audio` go out together with this track as long as both have readers.
    func accompany(_ audio: RTSPTrackOutput) {
        let isAccompanied = !readers.isEmpty
        companion = isAccompanied ? audio : nil
        audio.onLoop { $0.gathering.isAccompanied = isAccompanied }
    }

    /// Has a reader begin with what came since the last keyframe, unless there is nothing, or too much at once.
    private func start(_ reader: inout Reader) {
        guard cache.canBegin else { return }
        let isWhole: Bool
        switch reader.output.way {
        case .connection(let connection, let channels):
            let start = framedStart(channel: channels.rtp)
            isWhole = connection.onLoop { $0.send(shared: start) }
        case .pusher(let pusher, let channels):
            let start = framedStart(channel: channels.rtp)
            isWhole = pusher.onLoop { $0.send(shared: start) }
        case .datagrams, .protected:
            isWhole = false
        }
        guard isWhole else {
            // Over a connection it is more than may wait there at once.
            reader.start = RTSPPacedStart(cache, clockRate: format.clockRate, at: eventLoop.now)
            reader.isWaiting = reader.start == nil
            if reader.start != nil { startingCount += 1 }
            return
        }
        reader.isWaiting = false
        reader.packets &+= UInt64(cache.packetCount)
        statistics.packets &+= UInt64(cache.packetCount)
    }

    /// Sends what is due of the starts that readers have not got whole yet.
    private func goOnStarting() {
        guard startingCount > 0 else { return }
        for index in readers.indices {
            guard var start = readers[index].start else { continue }
            let output = readers[index].output
            let count = start.take(at: eventLoop.now, from: &cache) { send($0, to: output) }
            statistics.packets &+= UInt64(count)
            readers[index].packets &+= UInt64(count)
            if count > 0, readers[index].owesReport {
                readers[index].owesReport = false
                sendReport(to: output)
            }
            readers[index].start = start
            if start.isStuck(at: eventLoop.now) {
                giveUpStart(of: index, start.waitingCount(cache))
            } else if start.isOver(cache) {
                endStart(of: index)
            }
        }
        startsChanged()
        guard startingCount > 0, startTimer?.deadline == nil else { return }
        startTimer?.schedule(at: eventLoop.now.advanced(byMilliseconds: RTSPPacedStart.tickMilliseconds))
    }

    private func endStart(of index: Int) {
        readers[index].start = nil
        startingCount -= 1
    }

    /// A reader takes no more of its start, or would be sent more than may wait: it waits for a keyframe.
    private func giveUpStart(of index: Int, _ count: Int) {
        endStart(of: index)
        discard(count, of: index)
        counters.startsAbandoned.wrappingAdd(1, ordering: .relaxed)
        readers[index].isWaiting = true
        waitingCount += 1
        readers[index].output.fellBehind()
    }

    /// Lets go of what no start needs any more.
    private func startsChanged() {
        var needed: Int?
        if startingCount > 0 {
            for index in readers.indices {
                if let position = readers[index].start?.position { needed = min(needed ?? position, position) }
            }
        }
        cache.need(from: needed)
    }

    /// Whether a reader is still being sent what it begins with: the run then waits behind that, in the cache.
    private func waitsBehindStart(_ index: Int) -> Bool {
        guard let start = readers[index].start else { return false }
        if start.isLost(cache) { giveUpStart(of: index, start.waitingCount(cache)) }
        return true
    }

    /// Sends one packet to one reader; `false` when it takes none for now.
    private func send(_ packet: RawSpan, to output: RTSPReaderOutput) -> Bool {
        switch output.way {
        case .datagrams(let arena, let tuples):
            // What the socket does not take is lost, as on the network, and counted by the arena.
            arena.onLoop {
                _ = $0.append(along: tuples.rtp, maximumSize: packet.byteCount) { $0.append(contentsOf: packet) }
            }
            return true
        case .protected(let connection, let track):
            return connection.onLoop { $0.sendProtected(packet, track: track) }
        case .connection(let connection, let channels):
            return connection.onLoop { $0.hasQueueRoom && $0.send(packet, channel: channels.rtp) }
        case .pusher(let pusher, let channels):
            return pusher.onLoop { $0.hasRoom && $0.send(packet, channel: channels.rtp) }
        }
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
        startingCount = readers.count { $0.start != nil }
        startsChanged()
        gathering.readerCount = readers.count
        guard readers.isEmpty else { return }
        // They keep the output alive.
        timer?.cancel()
        timer = nil
        startTimer?.cancel()
        startTimer = nil
        hook = nil
    }

    /// Where a reader that is added now begins, as far as that is known.
    ///
    /// - Parameters:
    ///   - isShared: whether it joins others, who are not sent anything again.
    func opening(isShared: Bool) -> RTSPOpening {
        flush()
        var opening = RTSPOpening(clockRate: format.clockRate)
        opening.report = report.times.map { RTSPOpening.Report(ntp: $0.ntp, timestamp: $0.timestamp, at: $0.instant) }
        if !isShared, let first = cache.first {
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
        // Without readers too: what the first one begins with comes just before it, and the cache is to have no holes.
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
            output.report.keep(packet, at: output.eventLoop.now)
            output.sendToAll(packet)
            return true
        }
    }

    private func sendReport(to output: RTSPReaderOutput) {
        let latest = report.bytes(at: eventLoop.now)
        if !latest.isEmpty { output.sendControl(latest) }
    }

    /// Framed once for all readers that have the same channel, as packets are.
    private func sendToAll(_ control: RawSpan) {
        let compound = control.array
        var framed: (channel: UInt8, bytes: [UInt8])?
        for reader in readers {
            guard case .connection(let connection, let channels) = reader.output.way else {
                reader.output.sendControl(compound)
                continue
            }
            guard let channel = channels.rtcp else { continue }
            if framed?.channel != channel {
                var bytes: [UInt8] = []
                bytes.reserveCapacity(InterleavedFrame.headerSize + compound.count)
                InterleavedFrame.append(control, channel: channel, to: &bytes)
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
        let beginning = format.kind == .video ? keepAndFindBeginning() : .anywhere
        framed.removeAll(keepingCapacity: true)
        let starting = startingCount
        for index in readers.indices { deliver(to: index, beginning) }
        if waitingCount > 0 { waitingCount = readers.count { $0.isWaiting } }
        if startingCount > starting { goOnStarting() } else if startingCount < starting { startsChanged() }
        run.withPacket(at: run.count - 1) { lastSequenceNumber = $0.integer(at: 2) }
        run.removeAll()
        runNumber = nil
    }

    private func deliver(to index: Int, _ beginning: Beginning) {
        guard !waitsBehindStart(index) else { return }
        let output = readers[index].output
        var first = 0
        if readers[index].isWaiting {
            guard output.catchesUp(), beginning != .nowhere else { return discard(run.count, of: index) }
            switch beginning {
            case .anywhere, .nowhere: break
            case .at(let keyframe): first = keyframe
            case .inCache:
                var reader = readers[index]
                start(&reader)
                readers[index] = reader
                if reader.isWaiting { discard(run.count, of: index) }
                return
            }
            readers[index].isWaiting = false
        }
        if send(to: output, from: first) {
            statistics.packets &+= UInt64(run.count - first)
            readers[index].packets &+= UInt64(run.count - first)
            guard readers[index].owesReport else { return }
            readers[index].owesReport = false
            sendReport(to: output)
        } else {
            discard(run.count - first, of: index)
            readers[index].isWaiting = true
            waitingCount += 1
            output.fellBehind()
        }
    }

    private func discard(_ count: Int, of index: Int) {
        statistics.discarded &+= UInt64(count)
        readers[index].discarded &+= UInt64(count)
    }

    /// What one reader was sent and lost; nil when it shares the output of others.
    func traffic(of peer: PeerID) -> (packets: UInt64, discarded: UInt64)? {
        readers.first { $0.output.peerID == peer }.map { ($0.packets, $0.discarded) }
    }

    private func send(to output: RTSPReaderOutput, from first: Int) -> Bool {
        switch output.way {
        case .connection(let connection, let channels):
            let bytes = framedRun(channel: channels.rtp, from: first)
            return connection.onLoop { $0.send(shared: bytes) }
        case .pusher(let pusher, let channels):
            let bytes = framedRun(channel: channels.rtp, from: first)
            return pusher.onLoop { $0.send(shared: bytes) }
        case .datagrams(let arena, let tuples):
            // What the socket does not take is lost, as on the network, and counted by the arena.
            runNumber = Self.send(run, number: runNumber, from: first, to: arena, along: tuples.rtp)
            return true
        case .protected:
            for index in first..<run.count {
                guard run.withPacket(at: index, { send($0, to: output) }) else { return false }
            }
            return true
        }
    }

    /// Static, because a run is lent, and what is the actor's own is not the arena's to see.
    private static func send(
        _ run: borrowing PacketBatch, number: UInt64?, from first: Int, to arena: SendArena, along tuple: TransportTuple
    ) -> UInt64 {
        let number = number ?? DatagramSender.nextRunNumber()
        arena.onLoop { $0.append(run, number: number, from: first, along: tuple) }
        return number
    }

    /// The run with its frame headers, made by the first reader that needs it.
    private func framedRun(channel: UInt8, from first: Int) -> [UInt8] {
        let known = framed.firstIndex { $0.channel == channel }
        let index = known ?? framed.count
        if known == nil { framed.append(FramedRun(channel: channel, bytes: frame(channel: channel, from: 0))) }
        guard first > 0 else { return framed[index].bytes }
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

    /// Where in a run readers that wait can begin.
    private enum Beginning: Equatable {
        case nowhere, anywhere
        /// At the keyframe that begins with this packet.
        case at(Int)
        /// With the cache's group, which is complete as far as the run goes.
        case inCache
    }

    /// Keeps the run for readers to come, and finds where in it those that wait can begin.
    private func keepAndFindBeginning() -> Beginning {
        var first: Int?
        let couldBegin = cache.canBegin
        for index in 0..<run.count {
            run.withPacket(at: index) { packet in
                guard let header = try? RTPHeader(parsing: packet) else { return }
                let payload = packet.extracting(header.payload)
                let summary = PayloadInspector.inspect(payload, codec: format.codec)
                let starts = summary.isKeyframeStart || summary.isRecoveryPoint && beginsAtRecoveryPoints()
                cache.append(packet, payload: header.payload, startsKeyframe: starts)
                if starts, first == nil { first = index }
            }
        }
        guard cache.tellsLeading else { return first.map { .at($0) } ?? .nowhere }
        // Only the cache knows what is to be left out; where that is nothing, a start is the run from there on.
        if let first, cache.groupIsLatest(run.count - first) { return .at(first) }
        return cache.canBegin && (first != nil || !couldBegin) ? .inCache : .nowhere
    }
}
