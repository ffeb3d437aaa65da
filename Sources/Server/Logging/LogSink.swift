public import Loop
internal import Synchronization

/// Where finished records go. Called on the log's own thread, never on a loop, one call at a time.
public protocol LogSink: Sendable {
    func write(_ records: [LogRecord])
}

/// Writes lines of text or JSON.
public final class LogOutput: LogSink {
    private let writer: FileWriter
    private let isStructured: Bool

    public init(_ writer: FileWriter, isStructured: Bool) {
        self.writer = writer
        self.isStructured = isStructured
    }

    public func write(_ records: [LogRecord]) {
        var bytes: [UInt8] = []
        for record in records {
            bytes += (isStructured ? LogFormat.json(record) : LogFormat.text(record)).utf8
        }
        // Nobody is left to be told that the log cannot be written.
        writer.write(bytes)
    }
}

/// Keeps records for tests and for programs that embed the server.
public final class InMemoryLog: LogSink {
    private let stored = Mutex<[LogRecord]>([])

    public init() {}

    public func write(_ records: [LogRecord]) { stored.withLock { $0 += records } }

    public var records: [LogRecord] { stored.withLock { $0 } }
    /// The records as lines of text.
    public var text: String { records.map(LogFormat.text).joined() }
}
