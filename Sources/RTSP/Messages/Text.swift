extension StringProtocol where SubSequence == Substring {
    /// Without the blanks and tabs at its ends.
    var trimmingBlanks: Substring {
        var slice = self[startIndex...]
        while let first = slice.utf8.first, first == 0x20 || first == 0x09 { slice = slice.dropFirst() }
        while let last = slice.utf8.last, last == 0x20 || last == 0x09 { slice = slice.dropLast() }
        return slice
    }

    /// Without the double quotes around it, if it has both.
    var unquoted: Substring {
        let slice = self[startIndex...]
        guard slice.utf8.count >= 2, slice.utf8.first == 0x22, slice.utf8.last == 0x22 else { return slice }
        return slice.dropFirst().dropLast()
    }

    /// Cut at each `separator` that stands outside double quotes; a backslash inside them escapes what follows.
    func splitOutsideQuotes(_ separator: Character) -> [Substring] {
        var parts: [Substring] = []
        var start = startIndex
        var isQuoted = false
        var index = startIndex
        while index < endIndex {
            if isQuoted, self[index] == "\\", self.index(after: index) < endIndex {
                index = self.index(after: index)
            } else if self[index] == "\"" {
                isQuoted.toggle()
            } else if self[index] == separator, !isQuoted {
                parts.append(self[start..<index])
                start = self.index(after: index)
            }
            index = self.index(after: index)
        }
        parts.append(self[start...])
        return parts
    }

    /// A decimal number without sign and blanks, up to `maximum`.
    func decimal(upTo maximum: Int) -> Int? {
        guard !isEmpty, utf8.count <= 10, utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(self),
            value <= maximum
        else { return nil }
        return value
    }
}
