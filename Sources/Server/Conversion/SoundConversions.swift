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

    /// The program to be started, or why there is none. Asks the file system each time, so that it may be installed while
    /// the server runs.
    func transcoder() -> Result<String, SoundRefusal> {
        let setting = settings().transcoder
        if setting.isEmpty {
            return Executable.find(Self.program).map { .success($0) } ?? .failure(.noTranscoder(setting: ""))
        }
        return Executable.isRunnable(setting) ? .success(setting) : .failure(.noTranscoder(setting: setting))
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
    /// One that takes nothing more and has not answered for so long is ended.
    var stallMilliseconds: Int64 = 3_000
}

/// What conversions count together. Any thread.
final class SoundConversionCounters: Sendable {
    /// Transcoders that run now, and those that are to be started again.
    let running = Atomic<Int>(0)
    let restarting = Atomic<Int>(0)
    let restarts = Atomic<UInt64>(0)
    let frames = Atomic<UInt64>(0)
    /// Frames that no transcoder took: it did not read, or none ran.
    let droppedFrames = Atomic<UInt64>(0)
    /// Frames that could not be decoded.
    let damagedFrames = Atomic<UInt64>(0)
    let packets = Atomic<UInt64>(0)
    /// Messages of transcoders that could not be read.
    let malformedReplies = Atomic<UInt64>(0)
}
