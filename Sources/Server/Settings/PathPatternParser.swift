/// Turns the text of a pattern into a program: a tree first, so that counted repetitions can write their part again.
struct PathPatternParser {
    static func compile(_ text: String) throws(PatternError) -> [PathPattern.Instruction] {
        guard text.utf8.count <= PathPattern.maximumLength else {
            throw PatternError("longer than \(PathPattern.maximumLength) bytes")
        }
        var parser = PathPatternParser(bytes: Array(text.utf8))
        let tree = try parser.alternation()
        guard parser.position == parser.bytes.count else { throw PatternError("')' without '('") }
        var emitter = Emitter()
        try emitter.emit(tree)
        emitter.program.append(.match)
        return emitter.program
    }

    private indirect enum Tree {
        case empty
        case bytes(PathPattern.ByteSet)
        case start, end
        case sequence([Tree])
        case either([Tree])
        case repeated(Tree, minimum: Int, maximum: Int?)
    }

    private static let maximumNesting = 30
    private static let maximumRepeat = 255

    private let bytes: [UInt8]
    private var position = 0
    private var nesting = 0

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func alternation() throws(PatternError) -> Tree {
        var branches = [try sequence()]
        while take("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .either(branches)
    }

    private mutating func sequence() throws(PatternError) -> Tree {
        var items: [Tree] = []
        while let byte = next, byte != UInt8(ascii: "|"), byte != UInt8(ascii: ")") {
            let atom = try atom()
            items.append(try repetition(of: atom))
        }
        return items.isEmpty ? .empty : .sequence(items)
    }

    private mutating func repetition(of atom: Tree) throws(PatternError) -> Tree {
        let minimum: Int
        let maximum: Int?
        if take("*") {
            (minimum, maximum) = (0, nil)
        } else if take("+") {
            (minimum, maximum) = (1, nil)
        } else if take("?") {
            (minimum, maximum) = (0, 1)
        } else if next == UInt8(ascii: "{"), let counts = try counts() {
            (minimum, maximum) = counts
        } else {
            return atom
        }
        // Lazy and greedy repetitions find the same names.
        _ = take("?")
        if let byte = next, [UInt8(ascii: "*"), UInt8(ascii: "+")].contains(byte) {
            throw PatternError("a repetition of a repetition")
        }
        return .repeated(atom, minimum: minimum, maximum: maximum)
    }

    /// `{m}`, `{m,}` or `{m,n}`; nil, having read nothing, when the brace is only a brace.
    private mutating func counts() throws(PatternError) -> (Int, Int?)? {
        let begin = position
        position += 1
        let minimum = number()
        var maximum = minimum
        if minimum != nil, take(",") { maximum = number() }
        guard let minimum, take("}") else {
            position = begin
            return nil
        }
        guard minimum <= Self.maximumRepeat, maximum ?? 0 <= Self.maximumRepeat, maximum ?? minimum >= minimum else {
            throw PatternError("repetition counts go from 0 to \(Self.maximumRepeat), the smaller first")
        }
        return (minimum, maximum)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
            value = min((value ?? 0) * 10 + Int(byte - UInt8(ascii: "0")), 1_000_000)
            position += 1
        }
        return value
    }

    private mutating func atom() throws(PatternError) -> Tree {
        guard let byte = next else { return .empty }
        position += 1
        switch byte {
        case UInt8(ascii: "."): return .bytes(PathPattern.ByteSet().inverted)
        case UInt8(ascii: "^"): return .start
        case UInt8(ascii: "$"): return .end
        case UInt8(ascii: "["): return .bytes(try characterClass())
        case UInt8(ascii: "\\"): return try escapeOutsideClass()
        case UInt8(ascii: "("): return try group()
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"):
            throw PatternError("nothing before '\(Unicode.Scalar(byte))'")
        default: return .bytes(Self.single(byte))
        }
    }

    private mutating func group() throws(PatternError) -> Tree {
        nesting += 1
        defer { nesting -= 1 }
        guard nesting <= Self.maximumNesting else { throw PatternError("too many groups inside each other") }
        if take("?") {
            if take("P") || next == UInt8(ascii: "<") {
                guard take("<"), next != UInt8(ascii: "="), next != UInt8(ascii: "!") else {
                    throw PatternError("look-around is not available")
                }
                while let byte = next, byte != UInt8(ascii: ">") {
                    position += 1
                    guard Self.word.contains(byte) else { throw PatternError("a group name with odd characters") }
                }
                guard take(">") else { throw PatternError("a group name without '>'") }
            } else if !take(":") {
                throw PatternError("look-around and flags are not available")
            }
        }
        let tree = try alternation()
        guard take(")") else { throw PatternError("'(' without ')'") }
        return tree
    }

    private mutating func escapeOutsideClass() throws(PatternError) -> Tree {
        if take("A") { return .start }
        if take("z") { return .end }
        return .bytes(try escape())
    }

    private mutating func escape() throws(PatternError) -> PathPattern.ByteSet {
        guard let byte = next else { throw PatternError("ends in a backslash") }
        position += 1
        switch byte {
        case UInt8(ascii: "d"): return Self.digit
        case UInt8(ascii: "D"): return Self.digit.inverted
        case UInt8(ascii: "w"): return Self.word
        case UInt8(ascii: "W"): return Self.word.inverted
        case UInt8(ascii: "s"): return Self.space
        case UInt8(ascii: "S"): return Self.space.inverted
        default:
            guard !Self.word.contains(byte) || byte == UInt8(ascii: "_") else {
                throw PatternError("'\\\(Unicode.Scalar(byte))' is not available")
            }
            return Self.single(byte)
        }
    }

    /// The inside of `[…]`; the opening bracket has been read.
    private mutating func characterClass() throws(PatternError) -> PathPattern.ByteSet {
        let isInverted = take("^")
        var set = PathPattern.ByteSet()
        var isFirst = true
        while let byte = next {
            position += 1
            if byte == UInt8(ascii: "]"), !isFirst { return isInverted ? set.inverted : set }
            isFirst = false
            if byte == UInt8(ascii: "["), next == UInt8(ascii: ":") {
                throw PatternError("named classes are not available; write a range such as [a-z]")
            }
            if byte == UInt8(ascii: "\\") {
                set.formUnion(try escape())
                continue
            }
            guard next == UInt8(ascii: "-"), position + 1 < bytes.count, bytes[position + 1] != UInt8(ascii: "]") else {
                set.insert(byte)
                continue
            }
            let last = bytes[position + 1]
            position += 2
            guard last >= byte, last != UInt8(ascii: "\\") else { throw PatternError("a range that runs backwards") }
            for value in byte...last { set.insert(value) }
        }
        throw PatternError("'[' without ']'")
    }

    private struct Emitter {
        var program: [PathPattern.Instruction] = []
        /// Counts parts, not instructions: repetitions of nothing write no instruction and must end too.
        private var steps = 0

        mutating func emit(_ tree: Tree) throws(PatternError) {
            steps += 1
            guard steps < PathPattern.maximumInstructions else { throw PatternError("too large") }
            switch tree {
            case .empty: break
            case .bytes(let set): program.append(.byte(set))
            case .start: program.append(.start)
            case .end: program.append(.end)
            case .sequence(let items):
                for item in items { try emit(item) }
            case .either(let branches): try emit(branches)
            case .repeated(let part, let minimum, let maximum):
                for _ in 0..<minimum { try emit(part) }
                guard let maximum else {
                    let split = program.count
                    program.append(.split(split + 1, 0))
                    try emit(part)
                    program.append(.jump(split))
                    program[split] = .split(split + 1, program.count)
                    return
                }
                var splits: [Int] = []
                for _ in minimum..<maximum {
                    splits.append(program.count)
                    program.append(.split(program.count + 1, 0))
                    try emit(part)
                }
                for split in splits { program[split] = .split(split + 1, program.count) }
            }
        }

        private mutating func emit(_ branches: [Tree]) throws(PatternError) {
            var jumps: [Int] = []
            for branch in branches.dropLast() {
                let split = program.count
                program.append(.split(split + 1, 0))
                try emit(branch)
                jumps.append(program.count)
                program.append(.jump(0))
                program[split] = .split(split + 1, program.count)
            }
            if let last = branches.last { try emit(last) }
            for jump in jumps { program[jump] = .jump(program.count) }
        }
    }

    private static func single(_ byte: UInt8) -> PathPattern.ByteSet {
        var set = PathPattern.ByteSet()
        set.insert(byte)
        return set
    }

    private static func set(of text: String) -> PathPattern.ByteSet {
        var set = PathPattern.ByteSet()
        for byte in text.utf8 { set.insert(byte) }
        return set
    }

    private static let digit = set(of: "0123456789")
    private static let space = set(of: " \t\n\r\u{0C}")
    private static let word = set(of: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
}
