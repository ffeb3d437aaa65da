import Dispatch
import Loop
import Synchronization
import Testing

@testable import Server

/// A clock that stands still until it is moved.
final class HandClock: Sendable {
    private let value: Atomic<Int64>
    init(_ milliseconds: Int64 = 1_795_255_200_123) { value = Atomic(milliseconds) }
    var now: Int64 { value.load(ordering: .relaxed) }
    func advance(_ milliseconds: Int64) { value.add(milliseconds, ordering: .relaxed) }
}

/// A log that keeps its records, for one test.
struct TestLog {
    let memory = InMemoryLog()
    let clock = HandClock()
    let log: Log
    var logger: Logger { Logger(log) }

    init(level: LogLevel = .debug, messagesPerSecond: Int = 10) {
        let clock = clock
        log = Log(level: level, sinks: [memory], messagesPerSecond: messagesPerSecond, clock: { clock.now })
    }

    var text: String {
        log.flush()
        return memory.text
    }
}

@Suite struct LogTests {
    @Test func aLineHasTimeLevelRoomMessageAndFields() {
        let test = TestLog()
        test.logger.with(LogField(.room, "cam1")).info(
            "publisher connected",
            [LogField(.peer, "peer-7"), LogField(.protocol, "whip"), LogField(.remote, "192.0.2.1:5")])
        #expect(
            test.text
                == "2026-11-21T10:00:00.123Z INF [room cam1] publisher connected peer=peer-7 protocol=whip "
                + "remote=192.0.2.1:5\n")
    }

    @Test func valuesCannotForgeLinesOrFields() {
        let test = TestLog()
        test.logger.with(LogField(.room, "a\r\nb]")).warn(
            "session failed",
            [
                LogField(.reason, "x\n2026-11-21T10:00:00.123Z INF forged"), LogField(.remote, "a peer=9"),
                LogField(.path, "\"q\"\u{1B}[31m\u{202E}\u{2028}\u{85}"), LogField(.advice, ""),
            ])
        let text = test.text
        #expect(text.filter { $0 == "\n" }.count == 1)
        #expect(text.utf8.filter { $0 < 0x20 }.count == 1)
        #expect(text.contains("[room a\\r\\nb]]"))
        #expect(text.contains("reason=\"x\\n2026-11-21T10:00:00.123Z INF forged\""))
        #expect(text.contains("remote=\"a peer=9\""))
        #expect(text.contains("path=\"\\\"q\\\"\\u{1b}[31m\\u{202e}\\u{2028}\\u{85}\""))
        #expect(text.contains("advice=\"\""))
    }

    @Test func longValuesAreCut() {
        let test = TestLog()
        test.logger.info("long", [LogField(.reason, String(repeating: "x", count: 100_000))])
        #expect(test.text.utf8.count < 1_200)
    }

    @Test func structuredLinesAreJSON() {
        let record = LogRecord(
            milliseconds: 0, level: .warn, message: "a \"message\"",
            fields: [LogField(.room, "x\n\"y\\"), LogField(.count, 3), LogField(.reason, "\u{1}\u{7F}é🎥")])
        #expect(
            LogFormat.json(record)
                == #"{"time":"1970-01-01T00:00:00.000Z","level":"warn","msg":"a \"message\"","room":"x\n\"y\\","#
                + #""count":"3","reason":"\u0001\u007fé🎥"}"# + "\n")
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"), (1_767_225_599_000, "2025-12-31T23:59:59.000Z"),
        ] as [(Int64, String)])
    func timestampsAreISO8601(_ milliseconds: Int64, _ text: String) {
        #expect(LogFormat.timestamp(milliseconds) == text)
    }

    @Test func levelsBelowTheThresholdCostNothing() {
        let test = TestLog(level: .warn)
        func expensive() -> [LogField] {
            Issue.record("evaluated")
            return []
        }
        test.logger.info("not written", expensive())
        test.logger.error("written")
        test.log.setLevel(.debug)
        test.logger.debug("written too")
        test.logger.trace("never", expensive())
        let text = test.text
        #expect(text.contains("ERR written\n") && text.contains("DEB written too\n") && !text.contains("never"))
        Logger.none.error("to nobody", expensive())
    }

    @Test func aFloodIsBoundedAndCounted() {
        let test = TestLog()
        for _ in 0..<1_000 { test.logger.warn("junk received", [LogField(.remote, "192.0.2.1")]) }
        test.logger.warn("another message")
        #expect(test.memory.records.filter { $0.message == "junk received" }.count <= 10)
        test.clock.advance(1_000)
        test.logger.warn("junk received")
        let text = test.text
        #expect(text.contains("another message"))
        #expect(text.split(separator: "\n").filter { $0.contains("WAR junk received") }.count == 11)
        #expect(
            text.contains("message=\"junk received\" suppressed=990") || text.contains("junk received suppressed=990"))
        #expect(test.log.lost.suppressed == 990)
    }

    @Test func suppressedCountsComeOutWithoutAFurtherMessageOfTheKind() {
        let test = TestLog()
        for _ in 0..<15 { test.logger.warn("junk received") }
        test.clock.advance(1_000)
        test.logger.info("something else")
        #expect(test.text.contains("WAR messages suppressed message=\"junk received\" suppressed=5"))
        let atEnd = TestLog()
        for _ in 0..<12 { atEnd.logger.warn("junk received") }
        #expect(atEnd.text.contains("suppressed=2"))
    }

    @Test func linesStayInOrder() {
        let test = TestLog(messagesPerSecond: .max)
        for index in 0..<500 { test.logger.info("line", [LogField(.count, index)]) }
        test.log.flush()
        #expect(test.memory.records.compactMap { $0[.count] } == (0..<500).map(String.init))
    }

    /// Holds the writer until it is released.
    final class StuckSink: LogSink {
        let release = DispatchSemaphore(value: 0)
        let memory = InMemoryLog()
        func write(_ records: [LogRecord]) {
            release.wait()
            release.signal()
            memory.write(records)
        }
    }

    @Test func aStuckSinkLosesRecordsButNotTheirNumber() {
        let sink = StuckSink()
        let log = Log(level: .info, sinks: [sink], messagesPerSecond: .max)
        let logger = Logger(log)
        let count = 3 * Log.maximumQueued
        for _ in 0..<count { logger.info("line") }
        sink.release.signal()
        log.flush()
        let records = sink.memory.records
        let reported = records.compactMap { $0[.dropped].flatMap(Int.init) }
        #expect(log.lost.dropped >= Log.maximumQueued)
        #expect(reported.reduce(0, +) == log.lost.dropped)
        #expect(records.count - reported.count == count - log.lost.dropped)
    }

    @Test func secretsPrintRedacted() {
        let secret = Redacted("hunter2")
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), dumped, "\([secret])"] {
            #expect(!text.contains("hunter2"))
        }
        #expect(secret.revealed == "hunter2")
    }

    @Test func aLogFileIsAppendedTo() throws {
        let path = "/tmp/martlet-log-\(MonotonicClock.unixMilliseconds).log"
        var settings = ServerSettings()
        settings.logDestinations = [.file]
        settings.logFile = path
        for _ in 0..<2 {
            let log = try Log(settings: settings)
            Logger(log).info("server started")
            log.flush()
        }
        let text = String(decoding: try SystemInputs.readFile(path), as: UTF8.self)
        #expect(text.split(separator: "\n").count == 2)
        removeFile(path)
        settings.logFile = "/nonexistent/x.log"
        #expect(throws: SettingProblem.self) { try Log(settings: settings) }
    }
}
