extension SettingType<Duration> {
    /// A duration such as `10s`, `1m30s` or `500ms`.
    static func duration(_ range: ClosedRange<Duration>) -> SettingType {
        SettingType(
            name: "duration", accepted: "from \(range.lowerBound.settingText) to \(range.upperBound.settingText)",
            read: { (node) throws(SettingFault) in
                guard let value = Duration(settingText: try node.scalar()) else {
                    throw SettingFault("\(node.summary) is not a duration such as 10s, 1m30s or 500ms")
                }
                guard range.contains(value) else { throw SettingFault("\(value.settingText) is out of range") }
                return value
            }, write: { $0.settingText })
    }
}

extension Duration {
    private static let units: [(name: String, nanoseconds: Int64)] = [
        ("ms", 1_000_000), ("us", 1_000), ("ns", 1), ("d", 86_400_000_000_000), ("h", 3_600_000_000_000),
        ("m", 60_000_000_000), ("s", 1_000_000_000),
    ]

    /// Reads a sum of numbers with units, each number with at most nine decimals.
    init?(settingText text: String) {
        guard text.utf8.count <= 64, !text.isEmpty else { return nil }
        if text == "0" {
            self = .zero
            return
        }
        var rest = Array(text.utf8)[...]
        var total: Int64 = 0
        while !rest.isEmpty {
            let digits = rest.prefix { (48...57).contains($0) }
            guard let whole = Int64(String(decoding: digits, as: UTF8.self)) else { return nil }
            rest = rest.dropFirst(digits.count)
            var decimals: ArraySlice<UInt8> = []
            if rest.first == UInt8(ascii: ".") {
                decimals = rest.dropFirst().prefix { (48...57).contains($0) }
                guard (1...9).contains(decimals.count) else { return nil }
                rest = rest.dropFirst(decimals.count + 1)
            }
            guard let unit = Self.units.first(where: { rest.starts(with: $0.name.utf8) }) else { return nil }
            rest = rest.dropFirst(unit.name.utf8.count)

            let (product, overflow) = whole.multipliedReportingOverflow(by: unit.nanoseconds)
            var fraction: Int64 = 0
            var scale = unit.nanoseconds
            for digit in decimals {
                scale /= 10
                fraction += Int64(digit - 48) * scale
            }
            let (sum, overflow2) = total.addingReportingOverflow(product)
            let (sum2, overflow3) = sum.addingReportingOverflow(fraction)
            guard !overflow, !overflow2, !overflow3 else { return nil }
            total = sum2
        }
        self = .nanoseconds(total)
    }

    /// Whole nanoseconds; durations from settings always fit.
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000
    }

    var settingText: String {
        var rest = wholeNanoseconds
        guard rest > 0 else { return "0s" }
        var text = ""
        for (name, size) in [
            ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000),
            ("ns", 1),
        ] as [(String, Int64)] where rest >= size {
            text += "\(rest / size)\(name)"
            rest %= size
        }
        return text
    }
}

/// A number of bytes, written `50M` (powers of 1024, as MediaMTX means them).
public struct ByteCount: Hashable, Comparable, Sendable {
    public var bytes: Int
    public init(_ bytes: Int) { self.bytes = bytes }
    public static func < (lhs: ByteCount, rhs: ByteCount) -> Bool { lhs.bytes < rhs.bytes }

    init?(settingText text: String) {
        let digits = text.utf8.prefix { (48...57).contains($0) }
        let unit = String(text.dropFirst(digits.count)).uppercased()
        let shifts = ["": 0, "B": 0, "K": 10, "KB": 10, "M": 20, "MB": 20, "G": 30, "GB": 30, "T": 40, "TB": 40]
        guard let number = Int(String(decoding: Array(digits), as: UTF8.self)), let shift = shifts[unit],
            number <= Int.max >> shift
        else { return nil }
        bytes = number << shift
    }

    var settingText: String {
        for (unit, shift) in [("G", 30), ("M", 20), ("K", 10)] where bytes > 0 && bytes & ((1 << shift) - 1) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)"
    }
}

extension SettingType<ByteCount> {
    static func size(_ range: ClosedRange<ByteCount>) -> SettingType {
        SettingType(
            name: "size", accepted: "from \(range.lowerBound.settingText) to \(range.upperBound.settingText)",
            read: { (node) throws(SettingFault) in
                guard let value = ByteCount(settingText: try node.scalar()) else {
                    throw SettingFault("\(node.summary) is not a size such as 500K or 50M")
                }
                guard range.contains(value) else { throw SettingFault("\(value.settingText) is out of range") }
                return value
            }, write: { $0.settingText })
    }
}

/// Bits per second, written `96k` (powers of 1000).
public struct BitRate: Hashable, Comparable, Sendable {
    public var bitsPerSecond: UInt32
    public init(_ bitsPerSecond: UInt32) { self.bitsPerSecond = bitsPerSecond }
    public static func < (lhs: BitRate, rhs: BitRate) -> Bool { lhs.bitsPerSecond < rhs.bitsPerSecond }

    init?(settingText text: String) {
        let digits = text.utf8.prefix { (48...57).contains($0) }
        let factors: [String: UInt32] = ["": 1, "K": 1_000, "M": 1_000_000]
        guard let number = UInt32(String(decoding: Array(digits), as: UTF8.self)),
            let factor = factors[text.dropFirst(digits.count).uppercased()]
        else { return nil }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        bitsPerSecond = product
    }

    var settingText: String {
        for (unit, factor) in [("M", 1_000_000), ("k", 1_000)] as [(String, UInt32)]
        where bitsPerSecond > 0 && bitsPerSecond % factor == 0 {
            return "\(bitsPerSecond / factor)\(unit)"
        }
        return "\(bitsPerSecond)"
    }
}

extension SettingType<BitRate> {
    static func bitRate(_ range: ClosedRange<BitRate>) -> SettingType {
        SettingType(
            name: "bit rate", accepted: "from \(range.lowerBound.settingText) to \(range.upperBound.settingText)",
            read: { (node) throws(SettingFault) in
                guard let value = BitRate(settingText: try node.scalar()) else {
                    throw SettingFault("\(node.summary) is not a bit rate such as 96k")
                }
                guard range.contains(value) else { throw SettingFault("\(value.settingText) is out of range") }
                return value
            }, write: { $0.settingText })
    }
}
