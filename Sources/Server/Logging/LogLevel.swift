/// How much a message matters, most important first. Raw values are those of the setting `logLevel`.
public enum LogLevel: String, Sendable, CaseIterable, Comparable {
    /// Something is broken.
    case error
    /// The operator should look.
    case warn
    /// One line when a session starts and one when it ends.
    case info
    /// One line per event of a session.
    case debug
    /// Per packet; for development.
    case trace

    var rank: UInt8 {
        switch self {
        case .error: 0
        case .warn: 1
        case .info: 2
        case .debug: 3
        case .trace: 4
        }
    }

    /// The three letters in a line of text.
    var label: String {
        switch self {
        case .error: "ERR"
        case .warn: "WAR"
        case .info: "INF"
        case .debug: "DEB"
        case .trace: "TRC"
        }
    }

    /// A level is smaller when it matters more.
    public static func < (lhs: LogLevel, rhs: LogLevel) -> Bool { lhs.rank < rhs.rank }
}

/// What a value beside a message is about. One list, so that lines can be searched by key.
public enum LogKey: String, Sendable, CaseIterable {
    case room, peer, track, `protocol`, role, remote, reason, advice, codec, from, to, address, path, key, version
    case count, dropped, suppressed, message, viewers, duration, setting, status, method, seconds
}

/// A value beside a message.
public struct LogField: Sendable, Hashable {
    public var key: LogKey
    public var value: String

    public init(_ key: LogKey, _ value: some CustomStringConvertible) {
        self.key = key
        self.value = value.description
    }
}

/// One message as the sinks get it.
public struct LogRecord: Sendable, Hashable {
    /// Milliseconds since 1970 (UTC).
    public var milliseconds: Int64
    public var level: LogLevel
    /// Constant text; what varies is in `fields`.
    public var message: String
    public var fields: [LogField]

    public subscript(key: LogKey) -> String? { fields.first { $0.key == key }?.value }
}
