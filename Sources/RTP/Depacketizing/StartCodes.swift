import Wire

/// Byte stream format inside what should be one NAL unit, as some cameras send it (H.264, annex B).
enum StartCodes {
    /// Lends each NAL unit of `bytes[range]`, without start codes and the zero bytes before them. There is one, the
    /// whole, where there are no start codes.
    static func split(_ bytes: RawSpan, within range: Range<Int>, _ body: (Range<Int>) -> Void) {
        guard range.upperBound <= bytes.byteCount else { return }
        var start = range.lowerBound
        var hasFound = false
        var index = range.lowerBound
        while index + 2 < range.upperBound {
            // A byte above 1 at the third place rules out a start code at this place and the next two.
            let third = bytes[index + 2]
            if third > 1 {
                index += 3
            } else if third == 1, bytes[index] == 0, bytes[index + 1] == 0 {
                give(bytes, start..<index, body)
                hasFound = true
                index += 3
                start = index
            } else {
                index += 1
            }
        }
        if hasFound { give(bytes, start..<range.upperBound, body) } else if !range.isEmpty { body(range) }
    }

    /// The first start code: where the unit before it ends, zero bytes left out, and where the one behind it begins.
    static func first(in bytes: RawSpan) -> (end: Int, start: Int)? {
        var index = 0
        while index + 2 < bytes.byteCount {
            let third = bytes[index + 2]
            if third > 1 {
                index += 3
            } else if third == 1, bytes[index] == 0, bytes[index + 1] == 0 {
                var end = index
                while end > 0, bytes[end - 1] == 0 { end -= 1 }
                return (end, index + 3)
            } else {
                index += 1
            }
        }
        return nil
    }

    private static func give(_ bytes: RawSpan, _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var end = range.upperBound
        while end > range.lowerBound, bytes[end - 1] == 0 { end -= 1 }
        if end > range.lowerBound { body(range.lowerBound..<end) }
    }
}
