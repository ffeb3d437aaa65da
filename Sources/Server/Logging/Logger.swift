/// Writes messages with the values that are true for its owner, such as the room.
///
/// A message is a constant; what varies goes into fields. Cheap to copy; logging from a loop costs a lock and an append,
/// and nothing at all when the level is off.
public struct Logger: Sendable {
    private let log: Log
    private let fields: [LogField]

    public init(_ log: Log, fields: [LogField] = []) {
        self.log = log
        self.fields = fields
    }

    /// A logger that discards everything.
    public static let none = Logger(Log(level: .error, sinks: []))

    /// A logger whose messages carry `more` too.
    public func with(_ more: LogField...) -> Logger { Logger(log, fields: fields + more) }

    public func isEnabled(_ level: LogLevel) -> Bool { log.isEnabled(level) }

    public func log(_ level: LogLevel, _ message: StaticString, _ more: @autoclosure () -> [LogField] = []) {
        guard log.isEnabled(level) else { return }
        log.add(level, message.description, fields + more())
    }

    public func error(_ message: StaticString, _ fields: @autoclosure () -> [LogField] = []) {
        log(.error, message, fields())
    }
    public func warn(_ message: StaticString, _ fields: @autoclosure () -> [LogField] = []) {
        log(.warn, message, fields())
    }
    public func info(_ message: StaticString, _ fields: @autoclosure () -> [LogField] = []) {
        log(.info, message, fields())
    }
    public func debug(_ message: StaticString, _ fields: @autoclosure () -> [LogField] = []) {
        log(.debug, message, fields())
    }
    public func trace(_ message: StaticString, _ fields: @autoclosure () -> [LogField] = []) {
        log(.trace, message, fields())
    }
}
