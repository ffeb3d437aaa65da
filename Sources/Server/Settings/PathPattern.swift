/// A regular expression for room names that is matched in time proportional to name times pattern, whatever either is.
///
/// The syntax is the common part of RE2: literals, `.`, classes, `\d \w \s` and their complements, groups (none of
/// them capture), `|`, `* + ? {m,n}` with or without a lazy `?`, `^` and `$`. Look-around and back-references do not exist.
/// Names are matched as bytes; a pattern matches when it is found anywhere in the name, so anchor it to mean all of it.
struct PathPattern: Sendable, Hashable {
    static let maximumLength = 1_000
    static let maximumInstructions = 5_000

    enum Instruction: Hashable, Sendable {
        case byte(ByteSet)
        case split(Int, Int)
        case jump(Int)
        case start
        case end
        case match
    }

    /// A set of byte values.
    struct ByteSet: Hashable, Sendable {
        private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

        static func == (lhs: ByteSet, rhs: ByteSet) -> Bool { lhs.words == rhs.words }
        func hash(into hasher: inout Hasher) {
            hasher.combine(words.0)
            hasher.combine(words.1)
            hasher.combine(words.2)
            hasher.combine(words.3)
        }

        func contains(_ byte: UInt8) -> Bool {
            let bit = UInt64(1) << UInt64(byte & 63)
            switch byte >> 6 {
            case 0: return words.0 & bit != 0
            case 1: return words.1 & bit != 0
            case 2: return words.2 & bit != 0
            default: return words.3 & bit != 0
            }
        }

        mutating func insert(_ byte: UInt8) {
            let bit = UInt64(1) << UInt64(byte & 63)
            switch byte >> 6 {
            case 0: words.0 |= bit
            case 1: words.1 |= bit
            case 2: words.2 |= bit
            default: words.3 |= bit
            }
        }

        mutating func formUnion(_ other: ByteSet) {
            words = (
                words.0 | other.words.0, words.1 | other.words.1, words.2 | other.words.2, words.3 | other.words.3
            )
        }

        var inverted: ByteSet {
            var copy = self
            copy.words = (~words.0, ~words.1, ~words.2, ~words.3)
            return copy
        }
    }

    let text: String
    private let program: [Instruction]

    /// - Throws: A sentence saying what is wrong with the pattern.
    init(_ text: String) throws(PatternError) {
        self.text = text
        program = try PathPatternParser.compile(text)
    }

    static func == (lhs: PathPattern, rhs: PathPattern) -> Bool { lhs.text == rhs.text }
    func hash(into hasher: inout Hasher) { hasher.combine(text) }

    /// Whether the pattern is found in `name`.
    func matches(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        var current: [Int] = []
        var next: [Int] = []
        var seen = [Int](repeating: -1, count: program.count)
        var work: [Int] = []

        // Adds every instruction reachable without consuming a byte; true when one of them is the match.
        func follow(_ first: Int, at position: Int, into threads: inout [Int]) -> Bool {
            work.append(first)
            while let index = work.popLast() {
                guard seen[index] != position else { continue }
                seen[index] = position
                switch program[index] {
                case .match:
                    work.removeAll(keepingCapacity: true)
                    return true
                case .jump(let target): work.append(target)
                case .split(let one, let two):
                    work.append(two)
                    work.append(one)
                case .start: if position == 0 { work.append(index + 1) }
                case .end: if position == bytes.count { work.append(index + 1) }
                case .byte: threads.append(index)
                }
            }
            return false
        }

        for position in 0...bytes.count {
            if follow(0, at: position, into: &current) { return true }
            guard position < bytes.count else { break }
            for index in current {
                guard case .byte(let set) = program[index], set.contains(bytes[position]) else { continue }
                if follow(index + 1, at: position + 1, into: &next) { return true }
            }
            swap(&current, &next)
            next.removeAll(keepingCapacity: true)
        }
        return false
    }
}

/// What is wrong with a pattern.
struct PatternError: Error, Hashable, Sendable {
    var message: String
    init(_ message: String) { self.message = message }
}
