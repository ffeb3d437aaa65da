/// Finds what an operator probably meant by a key nobody declared.
enum NearestKey {
    /// The candidate with the smallest edit distance in any letter case; nil when none is near enough to be a typing
    /// error.
    static func of(_ key: String, among candidates: some Sequence<String>) -> String? {
        guard key.utf8.count <= 64 else { return nil }
        let wanted = Array(key.lowercased().utf8)
        var best: (key: String, distance: Int)?
        for candidate in candidates {
            let distance = distance(wanted, Array(candidate.lowercased().utf8))
            if distance < best?.distance ?? .max { best = (candidate, distance) }
        }
        guard let best, best.distance <= max(2, wanted.count / 3), best.distance < wanted.count else { return nil }
        return best.key
    }

    /// Insertions, deletions, replacements and swaps of neighbours that lead from `first` to `second`.
    static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...second.count)
        for (row, byte) in first.enumerated() {
            var current = [row + 1]
            for (column, other) in second.enumerated() {
                var value = min(
                    previous[column] + (byte == other ? 0 : 1), previous[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, byte == second[column - 1], first[row - 1] == other {
                    value = min(value, beforePrevious[column - 1] + 1)
                }
                current.append(value)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[second.count]
    }
}
