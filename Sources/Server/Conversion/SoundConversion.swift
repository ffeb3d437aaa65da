import Conversion
import Loop
import RTP
import Streams
import Synchronization
import Wire

/// The conversion of one room's sound for all of its viewers that need it: frames of the audio track go to a transcoder,
/// a program of its own, and its Opus packets become the room's rendition.
///
/// The transcoder runs from the first listener until a while after the last. When it ends it is started again, at once and
/// then ever more slowly. Nobody waits for it: what it does not take in time is dropped and counted.
actor SoundConversion: LoopActor, SoundConverter, FrameConsumer {
    /// Steps of the frames' times beyond which the conversion begins anew, in seconds.
    private static let largestStep: Int64 = 10
    /// The audio track knows it by this number, which no peer has.
    private static let consumerID = PeerID(0)
    private static let opusRate: Int64 = 48_000

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let conversions: SoundConversions
    private let timing: SoundConversionTiming
    private let name: String
    private let logger: Logger
    private weak var room: Room?
    private var listeners = 0
    private var isConsuming = false
    private var format: TrackFormat?
    private var child: ChildProcess?
    private var startedAt = Instant(nanoseconds: 0)
    /// Since when the transcoder neither takes nor answers anything, though there is something to take.
    private var firstRefusal: Instant?
    /// Beginnings that it has not answered yet; what it sends until then belongs to what came before.
    private var pendingBegins = 0
    private var settingsLookedAt = Instant(nanoseconds: 0)
    /// The time of the last frame, and of the packet to come next.
    private var frameTime: Int64?
    private var packetTime: Int64?
    private var failures = 0
    private var restart: (any LoopTimer)?
    private var stay: (any LoopTimer)?
    private var failure: (format: TrackFormat, text: String, until: Instant)?
    /// What operators were told last.
    private var told: (format: TrackFormat, refusal: SoundRefusal?)?

    init(of entry: RoomEntry, _ conversions: SoundConversions) {
        self.conversions = conversions
        timing = conversions.timing
        eventLoop = entry.loop
        room = entry.room
        name = entry.room.name
        logger = conversions.logger.with(LogField(.room, entry.room.name))
    }

    // MARK: what is converted

    nonisolated func rendition(of format: TrackFormat) -> TrackFormat? {
        onLoop { format.isForeignSound && $0.isWanted(format) ? .convertedSound : nil }
    }

    nonisolated func canRender(_ format: TrackFormat) -> Bool {
        onLoop { $0.refusal(of: format) == nil }
    }

    private func isWanted(_ format: TrackFormat) -> Bool {
        if case .success = wanted(format) { true } else { false }
    }

    /// What a transcoder is told about sound of this format, or why none is asked.
    private func wanted(_ format: TrackFormat) -> Result<ConversionFormat, SoundRefusal> {
        guard let settings = conversions.settings(of: name), settings.convertAudio else {
            return .failure(.switchedOff)
        }
        guard let wanted = ConversionFormat(format, bitRate: settings.convertedAudioBitrate.bitsPerSecond) else {
            return .failure(.unknownFormat)
        }
        return .success(wanted)
    }

    private func refusal(of format: TrackFormat) -> SoundRefusal? {
        if case .failure(let refusal) = wanted(format) { return refusal }
        if let failure, failure.format == format, eventLoop.now < failure.until { return .failed(failure.text) }
        // One that runs needs neither its file nor another place.
        guard child == nil else { return nil }
        if case .failure(let refusal) = conversions.transcoder() { return refusal }
        return conversions.fullness
    }

    /// A viewer came who cannot be sent this sound: operators are told why, once.
    func viewerGetsNoSound(_ format: TrackFormat) {
        if let refusal = refusal(of: format) { tellOmitted(format, refusal) }
    }

    private func tellOmitted(_ format: TrackFormat, _ refusal: SoundRefusal) {
        guard told?.format != format || told?.refusal != refusal else { return }
        told = (format, refusal)
        conversions.tell(.soundOmitted(room: name, codec: format.soundName, refusal.reason, advice: refusal.advice))
    }

    // MARK: demand

    nonisolated func listenersChanged(to count: Int) {
        onLoop { $0.setListeners(count) }
    }

    private func setListeners(_ count: Int) {
        listeners = count
        if count > 0 {
            stay?.cancel()
            begin()
        } else if isConsuming {
            if stay == nil {
                stay = eventLoop.makeTimer(name: "sound conversion stay") { [weak self] in self?.onLoop { $0.end() } }
            }
            stay?.schedule(at: eventLoop.now.advanced(byMilliseconds: timing.stayMilliseconds))
        }
    }

    private func begin() {
        guard !isConsuming, let room else { return }
        isConsuming = true
        room.track(.audio).onLoop { $0.addFrameConsumer(self, Self.consumerID) }
    }

    private func end() {
        stay?.cancel()
        cancelRestart()
        stop()
        format = nil
        failures = 0
        guard isConsuming else { return }
        isConsuming = false
        room?.track(.audio).onLoop { $0.removeFrameConsumer(Self.consumerID) }
    }

    nonisolated func roomEnded() {
        onLoop { $0.end() }
    }

    // MARK: frames

    nonisolated func formatChanged(_ format: TrackFormat, of track: TrackID) {
        onLoop { $0.use(format) }
    }

    private func use(_ format: TrackFormat) {
        self.format = format
        guard format.isForeignSound else {
            cancelRestart()
            return stop()
        }
        if child == nil {
            // Another publication: what came before says nothing about it.
            failures = 0
            launch()
        } else {
            beginAnew()
        }
    }

    nonisolated func received(_ frame: FrameAssembler.Frame, of track: TrackID) {
        onLoop { $0.convert(frame) }
    }

    private func convert(_ frame: FrameAssembler.Frame) {
        guard let format, format.isForeignSound, let part = frame.unit.parts.first else { return }
        followSettings(format)
        guard child != nil else { return drop() }
        let time = frame.presentationTime
        if let frameTime {
            let rate = Int64(format.clockRate)
            let isStep = time < frameTime - rate / 10 || time - frameTime > rate * Self.largestStep
            if frame.startsEpoch || isStep { beginAnew() }
        }
        // Beginning anew may have ended it, which is counted already.
        guard child != nil else { return drop() }
        frameTime = time
        guard send(.frame(ConversionFrame(timestamp: time, payload: Array(frame.unit.bytes[part])))) else {
            drop()
            let standstill = firstRefusal.map { eventLoop.now.milliseconds(since: $0) } ?? 0
            if standstill >= timing.stallMilliseconds { ended("it stood still for \(standstill) ms") }
            return
        }
        conversions.counters.frames.add(1, ordering: .relaxed)
    }

    private func drop() { conversions.counters.droppedFrames.add(1, ordering: .relaxed) }

    /// Begins or ends the conversion as reloaded settings want it. Not with every frame: a room's settings are searched for
    /// by its name.
    private func followSettings(_ format: TrackFormat) {
        let now = eventLoop.now
        guard now.milliseconds(since: settingsLookedAt) >= timing.settingsMilliseconds else { return }
        settingsLookedAt = now
        if child == nil {
            if restart?.deadline == nil { launch() }
        } else if case .failure(let refusal) = wanted(format) {
            omit(format, refusal)
        }
    }

    /// Listeners stay, and hear nothing until it is wanted again.
    private func omit(_ format: TrackFormat, _ refusal: SoundRefusal) {
        stop()
        tellOmitted(format, refusal)
    }

    /// Of the transcoder; nil while none runs.
    var processID: Int32? { child?.processID }

    // MARK: the transcoder

    private func launch() {
        guard isConsuming, child == nil, let format else { return }
        cancelRestart()
        let wanted: ConversionFormat
        switch self.wanted(format) {
        case .success(let found): wanted = found
        case .failure(let refusal): return omit(format, refusal)
        }
        let path: String
        switch conversions.admit() {
        case .success(let found): path = found
        case .failure(let refusal):
            tellOmitted(format, refusal)
            failures += 1
            return startAgainLater()
        }
        var limits = ChildProcessLimits()
        limits.messageBytes = ConversionMessages.maximumSize
        // A second of the smallest frames, and of the largest.
        limits.queuedMessages = 64
        limits.queuedBytes = 512 << 10
        do throws(LoopError) {
            child = try ChildProcess(
                path, on: eventLoop, limits: limits,
                onMessage: { [weak self] message in self?.onLoop { $0.received(message) } },
                onLine: { [weak self] line in self?.onLoop { $0.said(line) } },
                onEnd: { [weak self] end in self?.onLoop { $0.ended(end.description) } })
        } catch {
            logger.error("the transcoder cannot be started", [LogField(.reason, error.description)])
            conversions.counters.running.subtract(1, ordering: .relaxed)
            conversions.forgetTranscoder()
            failures += 1
            return startAgainLater()
        }
        startedAt = eventLoop.now
        begin(wanted)
    }

    /// Tells the transcoder what follows; what it still has of what came before is dropped.
    private func beginAnew() {
        guard let format else { return stop() }
        switch wanted(format) {
        case .success(let wanted): begin(wanted)
        case .failure(let refusal): omit(format, refusal)
        }
    }

    private func begin(_ wanted: ConversionFormat) {
        frameTime = nil
        packetTime = nil
        guard send(.begin(wanted)) else { return ended("it did not take what it was told") }
        pendingBegins += 1
    }

    /// `false` when the transcoder did not take it.
    private func send(_ request: ConversionRequest) -> Bool {
        guard let child, let message = try? request.encoded() else { return false }
        guard child.send(message) else {
            if firstRefusal == nil { firstRefusal = eventLoop.now }
            return false
        }
        firstRefusal = nil
        return true
    }

    private func received(_ message: RawSpan) {
        firstRefusal = nil
        let reply: ConversionReply
        do throws(ConversionError) {
            reply = try ConversionReply(parsing: message)
        } catch {
            conversions.counters.malformedReplies.add(1, ordering: .relaxed)
            if case .version = error { fail(error.description) }
            return
        }
        switch reply {
        case .ready(let decoder): ready(decoder)
        case .packet(let packet): pass(packet)
        case .fault(let fault):
            if fault.isFatal {
                pendingBegins = max(0, pendingBegins - 1)
                // It says nothing about what was begun since, whose answer is still to come.
                if pendingBegins == 0 { fail(fault.text) }
                return
            }
            conversions.counters.damagedFrames.add(1, ordering: .relaxed)
            logger.debug("a frame of sound could not be decoded", [LogField(.reason, fault.text)])
        case .flushed: break
        }
    }

    private func ready(_ decoder: ConversionReply.Decoder) {
        pendingBegins = max(0, pendingBegins - 1)
        guard pendingBegins == 0 else { return }
        failure = nil
        guard let format, told?.format != format || told?.refusal != nil else { return }
        told = (format, nil)
        conversions.tell(
            .soundConverted(room: name, codec: format.soundName, decoder: "\(decoder.name) \(decoder.version)"))
    }

    private func pass(_ packet: ConvertedPacket) {
        guard pendingBegins == 0, let room else { return }
        let isContinuous =
            packetTime.map { expected in
                packet.timestamp >= expected - Self.opusRate / 10
                    && packet.timestamp - expected <= Self.opusRate * Self.largestStep
            } ?? false
        packetTime = packet.timestamp + Int64(packet.duration)
        conversions.counters.packets.add(1, ordering: .relaxed)
        let now = eventLoop.now
        packet.payload.withBytes { payload in
            room.onLoop {
                $0.renditionReceived(payload, time: packet.timestamp, isContinuous: isContinuous, at: now)
            }
        }
    }

    private func said(_ line: String) {
        logger.info("the transcoder says", [LogField(.message, line)])
    }

    // MARK: its end

    /// It cannot convert this format: tried again later, as the publisher may change.
    private func fail(_ text: String) {
        stop()
        guard let format else { return }
        let pause = timing.longestPauseMilliseconds
        failure = (format, text, eventLoop.now.advanced(byMilliseconds: pause))
        viewerGetsNoSound(format)
        startAgain(afterMilliseconds: pause)
    }

    private func ended(_ reason: String) {
        if eventLoop.now.milliseconds(since: startedAt) >= timing.steadyMilliseconds { failures = 0 }
        failures += 1
        stop()
        logger.warn("the transcoder ended and is started again", [LogField(.reason, reason)])
        conversions.counters.restarts.add(1, ordering: .relaxed)
        startAgainLater()
    }

    private func stop() {
        guard let child else { return }
        child.close()
        self.child = nil
        firstRefusal = nil
        pendingBegins = 0
        conversions.counters.running.subtract(1, ordering: .relaxed)
    }

    private func startAgainLater() {
        let doublings = UInt64(min(max(0, failures - 1), 16))
        startAgain(afterMilliseconds: min(timing.firstPauseMilliseconds << doublings, timing.longestPauseMilliseconds))
    }

    private func startAgain(afterMilliseconds pause: UInt64) {
        if restart == nil {
            restart = eventLoop.makeTimer(name: "sound conversion restart") { [weak self] in
                self?.onLoop { $0.startsAgain() }
            }
        }
        if restart?.deadline == nil { conversions.counters.restarting.add(1, ordering: .relaxed) }
        restart?.schedule(at: eventLoop.now.advanced(byMilliseconds: pause))
    }

    private func startsAgain() {
        conversions.counters.restarting.subtract(1, ordering: .relaxed)
        launch()
    }

    private func cancelRestart() {
        guard restart?.deadline != nil else { return }
        restart?.cancel()
        conversions.counters.restarting.subtract(1, ordering: .relaxed)
    }
}
