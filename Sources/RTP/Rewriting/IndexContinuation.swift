/// A counter of a few bits that goes on over changes of source and over values left out, as ``PictureNumbering`` does.
///
/// Which of the latest values were left out is remembered, so that what comes late gets the value that was kept for it.
struct IndexContinuation: Sendable {
    /// A power of two.
    private let modulus: Int64
    /// The newest value of the source, without wraps.
    private var highest: Int64 = 0
    /// Bit n stands for the value n before the newest.
    private var dropped: UInt64 = 0
    private var offset: Int64 = 0
    private var highestOutput: Int64
    private var hasSource = false

    /// - Parameters:
    ///   - first: what the first value becomes.
    ///   - mask: the largest value.
    init(first: UInt8, mask: UInt8) {
        modulus = Int64(mask) + 1
        highestOutput = Int64(first & mask) - 1
    }

    /// The next value to come, `index`, follows the newest one given out.
    mutating func switchSource(at index: UInt8) {
        let first = modulus + Int64(index) % modulus
        highest = first - 1
        dropped = 0
        offset = highestOutput + 1 - first
        hasSource = true
    }

    mutating func rewrite(_ index: UInt8) -> UInt8 {
        if !hasSource { switchSource(at: index) }
        let extended = advance(to: index)
        var output = extended + offset + droppedCount(after: extended)
        // Left out before, as it seemed; nothing has taken its place yet.
        if wasDropped(extended), output + 1 > highestOutput {
            dropped &= ~bit(extended)
            offset += 1
            output += 1
        }
        highestOutput = max(highestOutput, output)
        return UInt8(truncatingIfNeeded: output & (modulus - 1))
    }

    /// Leaves out a value, so that the next one takes its place, unless it or a later one has been given out.
    mutating func drop(_ index: UInt8) {
        guard hasSource else { return }
        let extended = advance(to: index)
        guard highest - extended < 64, !wasDropped(extended),
            extended + offset + droppedCount(after: extended) > highestOutput
        else { return }
        dropped |= bit(extended)
        offset -= 1
    }

    /// The extended value nearest to the newest one, which it becomes when it is newer.
    private mutating func advance(to index: UInt8) -> Int64 {
        let distance = (Int64(index) - highest) & (modulus - 1)
        guard distance < modulus / 2 else { return highest + distance - modulus }
        dropped = distance < 64 ? dropped << UInt64(distance) : 0
        highest += distance
        return highest
    }

    private func bit(_ extended: Int64) -> UInt64 {
        let age = highest - extended
        return age < 64 ? 1 << UInt64(age) : 0
    }

    private func wasDropped(_ extended: Int64) -> Bool { dropped & bit(extended) != 0 }

    private func droppedCount(after extended: Int64) -> Int64 {
        let later = highest - extended < 64 ? dropped & (bit(extended) &- 1) : dropped
        return Int64(later.nonzeroBitCount)
    }
}
