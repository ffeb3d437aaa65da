internal import Glibc
internal import Synchronization

/// Where finished records go. Called on the log's own thread, never on a loop, one call at a time.
public protocol LogSink: Sendable {
    func write(_ records: [LogRecord])
}

/// Writes lines to standard output or to a file, as text or JSON.
public final class LogOutput: LogSink {
    private let descriptor: Int32
    private let isStructured: Bool
    private let ownsDescriptor: Bool

    private init(descriptor: Int32, isStructured: Bool, ownsDescriptor: Bool) {
        self.descriptor = descriptor
        self.isStructured = isStructured
        self.ownsDescriptor = ownsDescriptor
    }

    deinit { if ownsDescriptor { close(descriptor) } }

    public static func standardOutput(isStructured: Bool) -> LogOutput {
        LogOutput(descriptor: STDOUT_FILENO, isStructured: isStructured, ownsDescriptor: false)
    }

    /// Appends to the file, which is made when it is missing, readable by its owner and group.
    ///
    /// - Returns: nil when it cannot be opened.
    public static func file(_ path: String, isStructured: Bool) -> LogOutput? {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { return nil }
        return LogOutput(descriptor: descriptor, isStructured: isStructured, ownsDescriptor: true)
    }

    public func write(_ records: [LogRecord]) {
        var bytes: [UInt8] = []
        for record in records {
            bytes += (isStructured ? LogFormat.json(record) : LogFormat.text(record)).utf8
        }
        var written = 0
        while written < bytes.count {
            let rest = bytes[written...]
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // Nobody is left to be told that the log cannot be written.
            guard count > 0 else { return }
            written += count
        }
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
