extension SocketAddress: CustomStringConvertible {
    /// `192.0.2.1:80` or `[2001:db8::1]:80`.
    public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The address without port and brackets, IPv6 in the form of RFC 5952.
    public var host: String {
        guard isIPv6 else {
            let address = ipv4
            return "\(address >> 24).\(address >> 16 & 0xFF).\(address >> 8 & 0xFF).\(address & 0xFF)"
        }
        let groups = Self.groups(high) + Self.groups(low)
        var best = 0..<0
        var index = 0
        while index < 8 {
            var end = index
            while end < 8, groups[end] == 0 { end += 1 }
            if end - index > max(best.count, 1) { best = index..<end }
            index = max(end, index + 1)
        }
        func text(_ range: Range<Int>) -> String {
            groups[range].map { String($0, radix: 16) }.joined(separator: ":")
        }
        return best.isEmpty ? text(0..<8) : "\(text(0..<best.lowerBound))::\(text(best.upperBound..<8))"
    }

    private static func groups(_ word: UInt64) -> [UInt16] {
        [48, 32, 16, 0].map { UInt16(truncatingIfNeeded: word >> $0) }
    }

    /// Reads a literal IPv4 or IPv6 address without port or brackets; nil for names, zones and anything else.
    public init?(host: some StringProtocol, port: UInt16) {
        guard host.contains(":") else {
            guard let address = Self.ipv4(host) else { return nil }
            self.init(ipv4: address, port: port)
            return
        }
        guard host.utf8.count <= 45, let groups = Self.ipv6(host) else { return nil }
        let words = groups.reduce(into: (high: UInt64(0), low: UInt64(0))) { words, group in
            words.high = words.high << 16 | words.low >> 48
            words.low = words.low << 16 | UInt64(group)
        }
        self.init(ipv6High: words.high, low: words.low, port: port)
    }

    private static func ipv4(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (48...57).contains($0) }),
                let value = UInt8(part)
            else { return nil }
            address = address << 8 | UInt32(value)
        }
        return address
    }

    private static func ipv6(_ text: some StringProtocol) -> [UInt16]? {
        var halves: [[UInt16]] = [[]]
        var pieces = text.split(separator: ":", omittingEmptySubsequences: false)[...]
        if pieces.first?.isEmpty == true {
            guard pieces.dropFirst().first?.isEmpty == true else { return nil }
            pieces = pieces.dropFirst()
        }
        if pieces.last?.isEmpty == true {
            guard pieces.dropLast().last?.isEmpty == true else { return nil }
            pieces = pieces.dropLast()
        }
        for (index, piece) in pieces.enumerated() {
            if piece.isEmpty {
                guard halves.count == 1 else { return nil }
                halves.append([])
            } else if piece.contains("."), index == pieces.count - 1, let address = ipv4(piece) {
                halves[halves.count - 1] += [UInt16(address >> 16), UInt16(truncatingIfNeeded: address)]
            } else {
                guard piece.utf8.count <= 4, piece.first != "+", let group = UInt16(piece, radix: 16) else {
                    return nil
                }
                halves[halves.count - 1].append(group)
            }
        }
        if halves.count == 1 { return halves[0].count == 8 ? halves[0] : nil }
        let missing = 8 - halves[0].count - halves[1].count
        guard missing >= 1 else { return nil }
        return halves[0] + [UInt16](repeating: 0, count: missing) + halves[1]
    }
}
