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
    private var lastReply = Instant(nanoseconds: 0)
    /// Whether what comes from the transcoder belongs to what was begun last.
    private var isReady = false
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
        onLoop { format.isForeignSound && $0.refusal(of: format) == nil ? .convertedSound : nil }
    }

    private func refusal(of format: TrackFormat) -> SoundRefusal? {
        guard let settings = conversions.settings(of: name), settings.convertAudio else { return .switchedOff }
        guard ConversionFormat(format, bitRate: settings.convertedAudioBitrate.bitsPerSecond) != nil else {
            return .unknownFormat
        }
        if let failure, failure.format == format, eventLoop.now < failure.until { return .failed(failure.text) }
        if case .failure(let refusal) = conversions.transcoder() { return refusal }
        return nil
    }

    /// A viewer came who cannot be sent this sound: operators are told why, once.
    func viewerGetsNoSound(_ format: TrackFormat) {
        guard let refusal = refusal(of: format), told?.format != format || told?.refusal != refusal else { return }
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
        guard child != nil else {
            conversions.counters.droppedFrames.add(1, ordering: .relaxed)
            return
        }
        let time = frame.presentationTime
        if let frameTime {
            let rate = Int64(format.clockRate)
            let isStep = time < frameTime - rate / 10 || time - frameTime > rate * Self.largestStep
            if frame.startsEpoch || isStep { beginAnew() }
        }
        frameTime = time
        guard send(.frame(ConversionFrame(timestamp: time, payload: Array(frame.unit.bytes[part])))) else {
            conversions.counters.droppedFrames.add(1, ordering: .relaxed)
            let silence = eventLoop.now.milliseconds(since: lastReply)
            if silence >= timing.stallMilliseconds { ended("it stood still for \(silence) ms") }
            return
        }
        conversions.counters.frames.add(1, ordering: .relaxed)
    }

    /// Of the transcoder; nil while none runs.
    var processID: Int32? { child?.processID }

    // MARK: the transcoder

    private func launch() {
        guard isConsuming, child == nil, let format else { return }
        cancelRestart()
        guard case .success(let path) = conversions.transcoder() else {
            viewerGetsNoSound(format)
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
            failures += 1
            return startAgainLater()
        }
        conversions.counters.running.add(1, ordering: .relaxed)
        startedAt = eventLoop.now
        lastReply = eventLoop.now
        beginAnew()
    }

    /// Tells the transcoder what follows; what it still has of what came before is dropped.
    private func beginAnew() {
        isReady = false
        frameTime = nil
        packetTime = nil
        guard let format, let settings = conversions.settings(of: name),
            let wanted = ConversionFormat(format, bitRate: settings.convertedAudioBitrate.bitsPerSecond)
        else { return stop() }
        if !send(.begin(wanted)) { ended("it did not take what it was told") }
    }

    /// `false` when the transcoder did not take it.
    private func send(_ request: ConversionRequest) -> Bool {
        guard let child, let message = try? request.encoded() else { return false }
        return child.send(message)
    }

    private func received(_ message: RawSpan) {
        lastReply = eventLoop.now
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
            if fault.isFatal { return fail(fault.text) }
            conversions.counters.damagedFrames.add(1, ordering: .relaxed)
            logger.debug("a frame of sound could not be decoded", [LogField(.reason, fault.text)])
        case .flushed: break
        }
    }

    private func ready(_ decoder: ConversionReply.Decoder) {
        isReady = true
        guard let format, told?.format != format || told?.refusal != nil else { return }
        told = (format, nil)
        conversions.tell(
            .soundConverted(room: name, codec: format.soundName, decoder: "\(decoder.name) \(decoder.version)"))
    }

    private func pass(_ packet: ConvertedPacket) {
        guard isReady, let room else { return }
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
        isReady = false
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
