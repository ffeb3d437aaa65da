public import Loop
internal import Synchronization
internal import Wire

/// Takes messages from any thread and hands them to the sinks on its own queue.
///
/// The queue is bounded: when the sinks are too slow, new records are dropped and counted, and the count is written
/// when there is room again.
public final class Log: Sendable {
    public static let maximumQueued = 4_096

    private struct State {
        var queue: [LogRecord] = []
        var isScheduled = false
        var dropped = 0
        var limiter: LogRateLimiter
    }

    private let threshold: Atomic<UInt8>
    private let state: Mutex<State>
    private let droppedTotal = Atomic<Int>(0)
    private let suppressedTotal = Atomic<Int>(0)
    private let sinks: [any LogSink]
    private let wallMilliseconds: @Sendable () -> Int64
    private let writer = BlockingQueue(name: "log")

    /// - Parameter clock: Milliseconds since 1970.
    public init(
        level: LogLevel, sinks: [any LogSink], messagesPerSecond: Int = 10,
        clock: @escaping @Sendable () -> Int64 = { MonotonicClock.unixMilliseconds }
    ) {
        threshold = Atomic(level.rank)
        self.sinks = sinks
        wallMilliseconds = clock
        state = Mutex(State(limiter: LogRateLimiter(limits: .init(perSecond: messagesPerSecond))))
    }

    /// Makes the log that the settings ask for.
    ///
    /// - Throws: A problem when the log file cannot be opened.
    public convenience init(settings: ServerSettings) throws(SettingProblem) {
        var sinks: [any LogSink] = []
        for destination in Set(settings.logDestinations) {
            switch destination {
            case .stdout:
                sinks.append(LogOutput(.standardOutput, isStructured: settings.logStructured))
            case .file:
                do throws(LoopError) {
                    let file = try FileWriter.appending(to: settings.logFile)
                    sinks.append(LogOutput(file, isStructured: settings.logStructured))
                } catch {
                    throw SettingProblem(
                        origin: SettingOrigin(source: settings.logFile), key: "logFile", message: error.description)
                }
            }
        }
        self.init(level: settings.logLevel, sinks: sinks)
    }

    /// Takes effect at once, for a reload.
    public func setLevel(_ level: LogLevel) { threshold.store(level.rank, ordering: .relaxed) }

    public func isEnabled(_ level: LogLevel) -> Bool {
        level.rank <= threshold.load(ordering: .relaxed) && !sinks.isEmpty
    }

    /// Records lost because the sinks were too slow, and records the rate limit held back.
    public var lost: (dropped: Int, suppressed: Int) {
        (droppedTotal.load(ordering: .relaxed), suppressedTotal.load(ordering: .relaxed))
    }

    func add(_ level: LogLevel, _ message: String, _ fields: [LogField]) {
        let now = wallMilliseconds()
        let mustSchedule = state.withLock { state in
            appendOverdue(&state, at: now)
            switch state.limiter.decide(message, level: level, atMilliseconds: now) {
            case .suppress:
                suppressedTotal.add(1, ordering: .relaxed)
            case .write(let suppressed):
                let extra = suppressed > 0 ? [LogField(.suppressed, suppressed)] : []
                append(
                    LogRecord(milliseconds: now, level: level, message: message, fields: fields + extra), to: &state)
            }
            return Self.mustSchedule(&state)
        }
        if mustSchedule { writer.run { self.drain() } }
    }

    /// Waits until everything logged before the call has reached the sinks. Blocks; for the end of the program and
    /// for tests.
    public func flush() {
        let now = wallMilliseconds()
        state.withLock { appendOverdue(&$0, at: now, everything: true) }
        writer.runAndWait { drain() }
    }

    private func appendOverdue(_ state: inout State, at now: Int64, everything: Bool = false) {
        for kind in state.limiter.takeOverdue(atMilliseconds: now, everything: everything) {
            append(
                LogRecord(
                    milliseconds: now, level: kind.level, message: "messages suppressed",
                    fields: [LogField(.message, kind.message), LogField(.suppressed, kind.suppressed)]), to: &state)
        }
    }

    private func append(_ record: LogRecord, to state: inout State) {
        guard state.queue.count < Self.maximumQueued else {
            state.dropped += 1
            droppedTotal.add(1, ordering: .relaxed)
            return
        }
        state.queue.append(record)
    }

    private static func mustSchedule(_ state: inout State) -> Bool {
        guard !state.isScheduled, !state.queue.isEmpty else { return false }
        state.isScheduled = true
        return true
    }

    private func drain() {
        while true {
            let now = wallMilliseconds()
            let (records, dropped) = state.withLock { state in
                let taken = (state.queue, state.dropped)
                state.queue = []
                state.dropped = 0
                if taken.0.isEmpty { state.isScheduled = false }
                return taken
            }
            guard !records.isEmpty else { return }
            var batch = records
            if dropped > 0 {
                batch.append(
                    LogRecord(
                        milliseconds: now, level: .warn, message: "log messages dropped",
                        fields: [LogField(.dropped, dropped)]))
            }
            for sink in sinks { sink.write(batch) }
        }
    }
}
