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
    /// What a decoder of this format is set up with, as the description says, or since then the stream itself.
    private var configuration: [UInt8] = []
    private var transcoder: SoundTranscoder?
    private var settingsLookedAt = Instant(nanoseconds: 0)
    /// The time of the last frame, and of the packet to come next.
    private var frameTime: Int64?
    private var packetTime: Int64?
    private var failures = 0
    /// Whether a pause after a failure was cut short because the stream told another configuration.
    private var hasTriedEarly = false
    private var restart: (any LoopTimer)?
    private var stay: (any LoopTimer)?
    /// Runs while a stream is to tell its configuration.
    private var silence: (any LoopTimer)?
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
        switch wanted(format) {
        // What the stream is to tell is known only when somebody listens.
        case .success, .failure(.noConfiguration): true
        case .failure: false
        }
    }

    /// What a transcoder is told about sound of this format, or why none is asked.
    private func wanted(_ format: TrackFormat) -> Result<ConversionFormat, SoundRefusal> {
        guard let settings = conversions.settings(of: name), settings.convertAudio else {
            return .failure(.switchedOff)
        }
        let bitRate = settings.convertedAudioBitrate.bitsPerSecond
        let told = format == self.format ? configuration : format.announcedConfiguration
        guard let wanted = ConversionFormat(format, configuration: told, bitRate: bitRate) else {
            return .failure(told.isEmpty && format.tellsConfigurationInBand ? .noConfiguration : .unknownFormat)
        }
        return .success(wanted)
    }

    private func refusal(of format: TrackFormat) -> SoundRefusal? {
        if case .failure(let refusal) = wanted(format), refusal != .noConfiguration { return refusal }
        if let failure, failure.format == format, eventLoop.now < failure.until { return .failed(failure.text) }
        // One that runs needs neither its file nor another place.
        guard transcoder == nil else { return nil }
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
        silence?.cancel()
        cancelRestart()
        stop()
        format = nil
        configuration = []
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
        configuration = format.announcedConfiguration
        silence?.cancel()
        guard format.isForeignSound else {
            cancelRestart()
            return stop()
        }
        hasTriedEarly = false
        if transcoder == nil {
            // Another publication: what came before says nothing about it.
            failures = 0
            launch()
        } else {
            beginAnew()
        }
    }

    /// The stream tells its configuration, for the first time or another one.
    private func use(configuration: [UInt8]) {
        self.configuration = configuration
        silence?.cancel()
        guard transcoder == nil else {
            failure = nil
            return beginAnew()
        }
        if restart?.deadline != nil {
            // The other configuration may be the one that works. Only once: a stream that tells another one with every frame
            // would have a process started for each.
            guard !hasTriedEarly else { return }
            hasTriedEarly = true
        }
        failure = nil
        launch()
    }

    nonisolated func received(_ frame: FrameAssembler.Frame, of track: TrackID) {
        onLoop { $0.convert(frame) }
    }

    private func convert(_ frame: FrameAssembler.Frame) {
        guard let format, format.isForeignSound, let part = frame.unit.parts.first else { return }
        let told = frame.unit.configuration
        if !told.isEmpty, told != configuration { use(configuration: told) }
        followSettings(format)
        guard transcoder != nil else { return drop() }
        let time = frame.presentationTime
        if let frameTime {
            let rate = Int64(format.clockRate)
            let isStep = time < frameTime - rate / 10 || time - frameTime > rate * Self.largestStep
            if frame.startsEpoch || isStep { beginAnew() }
        }
        // Beginning anew may have ended it, which is counted already.
        guard let transcoder else { return drop() }
        frameTime = time
        guard transcoder.take(ConversionFrame(timestamp: time, payload: Array(frame.unit.bytes[part]))) else {
            drop()
            let standstill = transcoder.standstillMilliseconds
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
        if transcoder == nil {
            if restart?.deadline == nil { launch() }
        } else if case .failure(let refusal) = wanted(format) {
            omit(format, refusal)
        }
    }

    /// Listeners stay, and hear nothing until it is wanted again.
    private func omit(_ format: TrackFormat, _ refusal: SoundRefusal) {
        stop()
        guard refusal == .noConfiguration else { return tellOmitted(format, refusal) }
        if silence == nil {
            silence = eventLoop.makeTimer(name: "sound configuration") { [weak self] in
                self?.onLoop { $0.isSilent() }
            }
        }
        silence?.schedule(at: eventLoop.now.advanced(byMilliseconds: timing.configurationMilliseconds))
    }

    /// The stream should have told its configuration by now.
    private func isSilent() {
        if let format { tellOmitted(format, .noConfiguration) }
    }

    /// Of the transcoder; nil while none runs.
    var processID: Int32? { transcoder?.processID }

    // MARK: the transcoder

    private func launch() {
        guard isConsuming, transcoder == nil, let format else { return }
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
        transcoder = SoundTranscoder(path, on: eventLoop, counters: conversions.counters) { [weak self] event in
            self?.onLoop { $0.take(event) }
        }
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
        if transcoder?.begin(wanted) != true { ended("it did not take what it was told") }
    }

    private func take(_ event: SoundTranscoder.Event) {
        switch event {
        case .ready(let decoder): ready(decoder)
        case .packet(let packet): pass(packet)
        case .refused(let text): fail(text)
        case .frameDamaged(let text):
            conversions.counters.damagedFrames.add(1, ordering: .relaxed)
            logger.debug("a frame of sound could not be decoded", [LogField(.reason, text)])
        case .said(let line): logger.info("the transcoder says", [LogField(.message, line)])
        case .ended(.notStarted(let error)): notStarted(error)
        case .ended(let end): ended(end.description)
        }
    }

    private func ready(_ decoder: ConversionReply.Decoder) {
        failure = nil
        guard let format, told?.format != format || told?.refusal != nil else { return }
        told = (format, nil)
        conversions.tell(
            .soundConverted(room: name, codec: format.soundName, decoder: "\(decoder.name) \(decoder.version)"))
    }

    private func pass(_ packet: ConvertedPacket) {
        guard let room else { return }
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
        if let transcoder, transcoder.ageMilliseconds >= timing.steadyMilliseconds { failures = 0 }
        failures += 1
        stop()
        logger.warn("the transcoder ended and is started again", [LogField(.reason, reason)])
        conversions.counters.restarts.add(1, ordering: .relaxed)
        startAgainLater()
    }

    private func notStarted(_ error: LoopError) {
        stop()
        logger.error("the transcoder cannot be started", [LogField(.reason, error.description)])
        conversions.forgetTranscoder()
        failures += 1
        startAgainLater()
    }

    private func stop() {
        transcoder?.close()
        transcoder = nil
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
