public import Wire

/// Dates in the fixed form of RFC 9110, section 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
public enum HTTPDate {
    private static let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    /// Seconds from 1900 to 1970.
    private static let ntpToUnix: Int64 = 2_208_988_800
    /// The last second of the year 9999, beyond which the form has no room.
    private static let maximumSeconds: Int64 = 253_402_300_799

    /// - Parameter unixSeconds: seconds since 1970 in UTC; values outside the years 1970 to 9999 are moved to the nearest
    ///   end.
    public static func format(unixSeconds: Int64) -> String {
        let seconds = min(max(unixSeconds, 0), maximumSeconds)
        let day = seconds / 86_400
        let (year, month, dayOfMonth) = civil(day)
        let time = Int(seconds % 86_400)
        let weekday = days[Int(day % 7)]
        return
            "\(weekday), \(padded(dayOfMonth)) \(months[month - 1]) \(year) "
            + "\(padded(time / 3600)):\(padded(time / 60 % 60)):\(padded(time % 60)) GMT"
    }

    /// The date of `instant` by a reading of the wall clock.
    public static func format(_ instant: Instant, by clock: WallClock) -> String {
        format(unixSeconds: Int64(clock.ntp(at: instant) >> 32) - ntpToUnix)
    }

    private static func padded(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }

    /// Days since 1970-01-01 to a Gregorian date. Years begin in March, which puts the leap day last.
    private static func civil(_ days: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = Int(days) + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }
}
