/// The items of a query string, in order, read as `application/x-www-form-urlencoded`.
///
/// Items are split at `&`; `+` is a space; percent sequences are decoded once. Reading never fails: a percent sign that
/// starts no sequence stands for itself and bytes that are not UTF-8 become U+FFFD. Values may hold any character,
/// including control characters, so they are data and never text to be copied into a protocol.
public struct HTTPQuery: Sendable, Hashable {
    public struct Item: Sendable, Hashable {
        public var name: String
        /// Empty for an item without `=`.
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Items beyond this many are not read.
    public static let maximumItems = 100

    public var items: [Item]

    public init(_ items: [Item] = []) { self.items = items }

    /// Reads what follows the question mark.
    public init(decoding text: String) { self.init(decodingBytes: Array(text.utf8)[...]) }

    init(decodingBytes bytes: ArraySlice<UInt8>) {
        items = []
        for part in bytes.split(separator: UInt8(ascii: "&"), maxSplits: Self.maximumItems * 2) {
            guard items.count < Self.maximumItems else { return }
            let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
            items.append(
                Item(
                    name: PercentEncoding.decodeForm(part[..<equals]),
                    value: PercentEncoding.decodeForm(part[equals...].dropFirst())))
        }
    }

    /// The first value of `name`; names compare exactly.
    public subscript(name: String) -> String? { items.first { $0.name == name }?.value }

    public func values(_ name: String) -> [String] { items.compactMap { $0.name == name ? $0.value : nil } }
}
