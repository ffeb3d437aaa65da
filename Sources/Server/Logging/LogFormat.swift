/// Writes records as lines. Values are escaped, so none can end its line or pretend to be another field.
enum LogFormat {
    static let maximumValueLength = 1_024

    /// `2026-11-21T10:00:00.123Z INF [room cam1] publisher connected peer=peer-7 protocol=whip`.
    static func text(_ record: LogRecord) -> String {
        var line = "\(timestamp(record.milliseconds)) \(record.level.label) "
        if let room = record[.room] { line += "[room \(room.escapedForDisplay(limit: maximumValueLength))] " }
        line += record.message
        for field in record.fields where field.key != .room {
            line += " \(field.key.rawValue)=\(value(field.value))"
        }
        return line + "\n"
    }

    /// The same as one JSON object (RFC 8259).
    static func json(_ record: LogRecord) -> String {
        var line = "{\"time\":\"\(timestamp(record.milliseconds))\",\"level\":\"\(record.level.rawValue)\","
        line += "\"msg\":\(JSONText.string(record.message))"
        for field in record.fields {
            // A message that was suppressed is named by a field, which must not hide the message itself.
            line += ",\"\(field.key.rawValue)\":\(JSONText.string(field.value, limit: maximumValueLength))"
        }
        return line + "}\n"
    }

    private static func value(_ text: String) -> String {
        let escaped = text.escapedForDisplay(limit: maximumValueLength)
        let needsQuotes = escaped.isEmpty || escaped.utf8.contains { $0 == 0x20 || $0 == 0x22 || $0 == 0x3D }
        guard needsQuotes else { return escaped }
        return "\"" + escaped.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"") + "\""
    }

    /// ISO 8601 in UTC with milliseconds, for any instant from year 0 to 9999.
    static func timestamp(_ milliseconds: Int64) -> String {
        let days = milliseconds.flooredQuotient(86_400_000)
        let ofDay = milliseconds - days * 86_400_000
        // Days since 1970 to a date by 400-year eras that begin on 1 March.
        let shifted = days + 719_468
        let era = shifted.flooredQuotient(146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let calendarMonth = month < 10 ? month + 3 : month - 9
        let year = yearOfEra + era * 400 + (calendarMonth <= 2 ? 1 : 0)
        let date = "\(padded(year, 4))-\(padded(calendarMonth, 2))-\(padded(day, 2))"
        let time =
            "\(padded(ofDay / 3_600_000, 2)):\(padded(ofDay / 60_000 % 60, 2)):\(padded(ofDay / 1_000 % 60, 2))"
        return "\(date)T\(time).\(padded(ofDay % 1_000, 3))Z"
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension Int64 {
    fileprivate func flooredQuotient(_ divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

/// JSON without a library, for the few places that only write it.
enum JSONText {
    /// A quoted JSON string, cut after `limit` bytes.
    static func string(_ text: String, limit: Int = .max) -> String {
        var result = "\""
        var used = 0
        for scalar in text.unicodeScalars {
            used += scalar.utf8.count
            guard used <= limit else {
                result += "…"
                break
            }
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            default:
                if scalar.value > 0xFFFF || !scalar.isUnprintable {
                    result.unicodeScalars.append(scalar)
                } else {
                    let digits = String(scalar.value, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            }
        }
        return result + "\""
    }
}
