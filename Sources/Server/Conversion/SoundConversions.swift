import Loop
import Streams
import Synchronization
import Wire

/// What the conversions of all rooms share: settings, counters, and where the transcoder is.
final class SoundConversions: Sendable {
    static let program = "martlet-transcoder"

    let counters = SoundConversionCounters()
    let logger: Logger
    let timing: SoundConversionTiming
    private let hub: EventHub
    private let settings: @Sendable () -> ServerSettings
    private let lookup = Mutex<Lookup?>(nil)

    /// Where the transcoder was looked for, and what was found.
    private struct Lookup {
        let setting: String
        let found: Result<String, SoundRefusal>
        let time: Instant
    }

    init(
        hub: EventHub, logger: Logger, timing: SoundConversionTiming = SoundConversionTiming(),
        settings: @escaping @Sendable () -> ServerSettings
    ) {
        self.timing = timing
        self.hub = hub
        self.logger = logger
        self.settings = settings
    }

    /// Has a new room's sound converted when there is need. Any thread.
    func attend(_ entry: RoomEntry) {
        let conversion = SoundConversion(of: entry, self)
        entry.loop.execute { entry.room.onLoop { $0.convertSound(by: conversion) } }
    }

    func settings(of room: String) -> RoomSettings? { settings().room(named: room) }

    /// The program to be started, or why there is none. It may be installed while the server runs; the file system is asked
    /// now and then only, as this is called on media loops for every viewer.
    func transcoder() -> Result<String, SoundRefusal> {
        let setting = settings().transcoder
        let now = MonotonicClock.now
        let known = lookup.withLock { $0 }
        if let known, known.setting == setting, now.milliseconds(since: known.time) < timing.lookupMilliseconds {
            return known.found
        }
        let found = Self.find(setting)
        lookup.withLock { $0 = Lookup(setting: setting, found: found, time: now) }
        return found
    }

    /// What was found could not be started: it is looked for again.
    func forgetTranscoder() { lookup.withLock { $0 = nil } }

    private static func find(_ setting: String) -> Result<String, SoundRefusal> {
        if setting.isEmpty {
            return Executable.find(program).map { .success($0) } ?? .failure(.noTranscoder(setting: ""))
        }
        return Executable.isRunnable(setting) ? .success(setting) : .failure(.noTranscoder(setting: setting))
    }

    /// The program to be started, which counts as running from now on, or why none may be.
    func admit() -> Result<String, SoundRefusal> {
        let found = transcoder()
        guard case .success = found else { return found }
        let limit = settings().maxTranscoders
        guard counters.addRunning(upTo: limit) else {
            counters.refused.add(1, ordering: .relaxed)
            return .failure(.tooManyTranscoders(limit: limit))
        }
        return found
    }

    /// Why no further transcoder may run now.
    var fullness: SoundRefusal? {
        let limit = settings().maxTranscoders
        return counters.running.load(ordering: .relaxed) < limit ? nil : .tooManyTranscoders(limit: limit)
    }

    func tell(_ event: ServerEvent) { hub.publish(event) }
}

extension SoundRefusal: Error {}

struct SoundConversionTiming: Sendable {
    /// How long a transcoder goes on without listeners.
    var stayMilliseconds: UInt64 = 5_000
    /// Pauses before one is started again: the first, and what they double up to.
    var firstPauseMilliseconds: UInt64 = 200
    var longestPauseMilliseconds: UInt64 = 30_000
    /// One that ran for so long is no sign of trouble when it ends.
    var steadyMilliseconds: Int64 = 20_000
    /// One that takes nothing more and answers nothing for so long is ended.
    var stallMilliseconds: Int64 = 3_000
    /// How long a stream may take to tell its configuration before operators are told that it does not.
    var configurationMilliseconds: UInt64 = 5_000
    /// How long the answer holds where the transcoder is.
    var lookupMilliseconds: Int64 = 5_000
    /// How often settings that were reloaded are looked at while frames come.
    var settingsMilliseconds: Int64 = 1_000
}

/// What conversions count together. Any thread.
final class SoundConversionCounters: Sendable {
    /// Transcoders that run now, and those that are to be started again.
    let running = Atomic<Int>(0)
    let restarting = Atomic<Int>(0)
    let restarts = Atomic<UInt64>(0)
    /// Transcoders that were not started because as many ran as may.
    let refused = Atomic<UInt64>(0)
    let frames = Atomic<UInt64>(0)
    /// Frames that no transcoder took: it did not read, or none ran.
    let droppedFrames = Atomic<UInt64>(0)
    /// Frames that could not be decoded.
    let damagedFrames = Atomic<UInt64>(0)
    let packets = Atomic<UInt64>(0)
    /// Messages of transcoders that could not be read.
    let malformedReplies = Atomic<UInt64>(0)

    /// Counts one more that runs; `false` when `limit` of them do. Loops ask at the same time.
    func addRunning(upTo limit: Int) -> Bool {
        var count = running.load(ordering: .relaxed)
        while count < limit {
            let (isDone, current) = running.compareExchange(expected: count, desired: count + 1, ordering: .relaxed)
            if isDone { return true }
            count = current
        }
        return false
    }
}
