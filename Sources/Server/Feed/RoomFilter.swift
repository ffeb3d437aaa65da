import HTTP

/// Which rooms a subscriber asked for: names, and prefixes written with a star at the end, such as `live/*`.
struct RoomFilter: Hashable, Sendable {
    static let maximumItems = 64

    private(set) var names: Set<String> = []
    private(set) var prefixes: [String] = []

    /// All rooms.
    init() {}

    /// - Returns: nil when there are more than ``maximumItems``, or one can match no room.
    init?(_ values: [String]) {
        guard values.count <= Self.maximumItems else { return nil }
        for value in values {
            if value.hasSuffix("*") {
                let prefix = String(value.dropLast())
                guard prefix.utf8.count <= RoomName.maximumLength, !prefix.contains("*") else { return nil }
                prefixes.append(prefix)
            } else {
                guard RoomName.problem(with: value) == nil else { return nil }
                names.insert(value)
            }
        }
    }

    var isAll: Bool { names.isEmpty && prefixes.isEmpty }

    func matches(_ room: String) -> Bool {
        isAll || names.contains(room) || prefixes.contains { room.utf8.starts(with: $0.utf8) }
    }
}
