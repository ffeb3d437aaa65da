/// Which of the latest packets of a source have been seen, and which of those were left out on purpose.
///
/// Two rings of bits over extended sequence numbers. An offset in force at any packet of the window follows from the
/// offset now and the number of packets left out since, so no list of ranges is kept and nothing can overflow.
struct PacketWindow: Sendable {
    /// Packets older than this are forgotten.
    static let size: Int64 = 2048
    private static let words = 32

    private(set) var highest: Int64
    private var seen = InlineArray<32, UInt64>(repeating: 0)
    private var dropped = InlineArray<32, UInt64>(repeating: 0)

    /// A window in which nothing up to `highest` has been seen.
    init(after highest: Int64) { self.highest = highest }

    private static func word(_ number: Int64) -> Int { Int(truncatingIfNeeded: number >> 6 & 31) }
    private static func bit(_ number: Int64) -> UInt64 { 1 << UInt64(truncatingIfNeeded: number & 63) }

    /// Moves the upper end up to `number`, which must be above ``highest``.
    mutating func advance(to number: Int64) {
        if number - highest == 1 {
            // The ordinary case: the slot taken over belonged to the packet that leaves the window.
            seen[Self.word(number)] &= ~Self.bit(number)
            dropped[Self.word(number)] &= ~Self.bit(number)
        } else if number - highest >= Self.size {
            for index in 0..<Self.words {
                seen[index] = 0
                dropped[index] = 0
            }
        } else {
            var next = highest + 1
            while next <= number {
                let (word, mask, count) = Self.span(from: next, through: number)
                seen[word] &= ~mask
                dropped[word] &= ~mask
                next += count
            }
        }
        highest = number
    }

    /// Whether `number` is recent enough to be remembered.
    func covers(_ number: Int64) -> Bool { number <= highest && highest - number < Self.size }

    /// Marks `number` as seen; `false` when it had been. It must be covered.
    mutating func markSeen(_ number: Int64) -> Bool {
        let word = Self.word(number)
        let bit = Self.bit(number)
        guard seen[word] & bit == 0 else { return false }
        seen[word] |= bit
        return true
    }

    /// Marks `number`, which is covered, as left out.
    mutating func markDropped(_ number: Int64) { dropped[Self.word(number)] |= Self.bit(number) }

    /// Whether `number`, which is covered, was left out.
    func wasDropped(_ number: Int64) -> Bool { dropped[Self.word(number)] & Self.bit(number) != 0 }

    /// How many packets after `number`, which is covered, were left out.
    func droppedCount(after number: Int64) -> Int64 {
        var total: Int64 = 0
        var next = number + 1
        while next <= highest {
            let (word, mask, count) = Self.span(from: next, through: highest)
            total += Int64((dropped[word] & mask).nonzeroBitCount)
            next += count
        }
        return total
    }

    /// The part of `first...last` that lies in the word of `first`: its index, its bits, how many they are.
    private static func span(from first: Int64, through last: Int64) -> (word: Int, mask: UInt64, count: Int64) {
        let low = first & 63
        let count = min(64 - low, last - first + 1)
        let ones = count == 64 ? UInt64.max : (1 << UInt64(truncatingIfNeeded: count)) - 1
        return (word(first), ones << UInt64(truncatingIfNeeded: low), count)
    }
}
