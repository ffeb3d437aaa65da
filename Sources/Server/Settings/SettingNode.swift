/// Where a configured value came from, in the words an operator needs to find it.
public struct SettingOrigin: Hashable, Sendable, CustomStringConvertible {
    /// A file name as given on the command line, or `environment variable NAME`.
    public var source: String
    /// Counted from 1; nil for the environment.
    public var line: Int?

    public init(source: String, line: Int? = nil) {
        self.source = source
        self.line = line
    }

    public var description: String { line.map { "\(source):\($0)" } ?? source }
}

/// One value of the configuration before its setting has judged it.
struct SettingNode: Sendable {
    enum Content: Sendable {
        /// `key:` with nothing behind it, `~` or `null`.
        case empty
        case scalar(String)
        case list([SettingNode])
        case map([SettingEntry])
    }

    var content: Content
    var origin: SettingOrigin

    /// What the value is, for messages: `a list`, `'abc'`.
    var summary: String {
        switch content {
        case .empty: "nothing"
        case .scalar(let text): "'\(text.escapedForDisplay(limit: 80))'"
        case .list: "a list"
        case .map: "a map"
        }
    }
}

/// A key of a map and its value.
struct SettingEntry: Sendable {
    var key: String
    var keyOrigin: SettingOrigin
    var value: SettingNode
}

/// A fault in the configuration, or a remark about it.
public struct SettingProblem: Error, Hashable, Sendable, CustomStringConvertible {
    public var origin: SettingOrigin
    /// The setting with the maps around it, as in `paths.cam1.maxReaders`; empty when the file as a whole is meant.
    public var key: String
    public var message: String

    public init(origin: SettingOrigin, key: String = "", message: String) {
        self.origin = origin
        self.key = key
        self.message = message
    }

    public var description: String { key.isEmpty ? "\(origin): \(message)" : "\(origin): \(key): \(message)" }
}

/// Every fault found in one reading of the configuration, never empty.
public struct SettingsError: Error, Sendable, CustomStringConvertible {
    public var problems: [SettingProblem]

    public init(_ problems: [SettingProblem]) { self.problems = problems }

    public var description: String { problems.map(\.description).joined(separator: "\n") }
}

extension String {
    /// The text with control characters written as escapes and cut after `limit` bytes, so that it can stand inside
    /// one line of a message.
    func escapedForDisplay(limit: Int) -> String {
        var result = ""
        var used = 0
        for scalar in unicodeScalars {
            used += scalar.utf8.count
            guard used <= limit else { return result + "…" }
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\\": result += "\\\\"
            default:
                if scalar.isUnprintable {
                    result += "\\u{\(String(scalar.value, radix: 16))}"
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }
}

extension Unicode.Scalar {
    /// Control and format characters, line separators and what else would let a value disturb the line it is shown in
    /// (terminal escapes, right-to-left overrides).
    var isUnprintable: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
        default: false
        }
    }
}
