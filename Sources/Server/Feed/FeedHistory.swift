import HTTP
import Wire

/// One event of the feed, encoded once for everybody.
struct FeedEntry: Sendable {
    enum Kind: Sendable {
        /// Tells the whole state of a room, so a later one makes it superfluous.
        case roomState
        case occurrence
    }

    var number: UInt64
    var room: String
    var kind: Kind
    var at: Instant
    var bytes: [UInt8]
    /// What operators get instead, of any room.
    var operatorBytes: [UInt8]?

    func bytes(forOperator isOperator: Bool) -> [UInt8] { isOperator ? operatorBytes ?? bytes : bytes }
}

/// The state of all rooms and the last changes to it: what a client that comes, or comes back, is told.
///
/// Every change has a number; an id is `<epoch>-<number>`, and the epoch is another one after a restart (SSE-3). A change
/// of a room tells its whole new state, so that clients replace and never patch.
struct FeedHistory: Sendable {
    /// Kept in any case.
    static let minimumEntries = 1_000
    /// Kept beyond the minimum for this long.
    static let retentionSeconds: Int64 = 300
    static let maximumEntries = 8_192

    let epoch: String
    private(set) var lastNumber: UInt64 = 0
    private var rooms: [String: (state: FeedRoom, json: [UInt8])] = [:]
    private var entries: [FeedEntry] = []

    init(epoch: String) { self.epoch = epoch }

    func id(_ number: UInt64) -> String { "\(epoch)-\(number)" }

    var roomNames: some Collection<String> { rooms.keys }
    var keptRoomNames: Set<String> { Set(entries.map(\.room)) }
    var entryCount: Int { entries.count }
    /// About what the entries take in memory.
    var byteCount: Int {
        entries.reduce(0) {
            $0 + MemoryLayout<FeedEntry>.stride + $1.bytes.capacity + ($1.operatorBytes?.capacity ?? 0)
        }
    }
    func room(_ name: String) -> FeedRoom? { rooms[name]?.state }

    // MARK: changes

    /// Takes the state of a room, nil when there is none of this name. Nothing new makes no event.
    mutating func update(_ name: String, to state: FeedRoom?, at now: Instant) -> FeedEntry? {
        let known = rooms[name]?.state
        guard known != state else { return nil }
        guard let state else {
            rooms[name] = nil
            var json = JSONWriter()
            json.object { $0.member("name", name) }
            return append("room.closed", json.bytes, room: name, .roomState, at: now)
        }
        var json = JSONWriter()
        state.write(to: &json)
        rooms[name] = (state, json.bytes)
        return append(
            known == nil ? "room.created" : "room.updated", json.bytes, room: name, .roomState, at: now)
    }

    /// Takes something that happened in a room and leaves its state as it is.
    mutating func occurred(_ occurrence: RoomOccurrence, at now: Instant) -> FeedEntry {
        append(
            occurrence.event, occurrence.json, operatorJSON: occurrence.operatorJSON, room: occurrence.room,
            .occurrence, at: now)
    }

    private mutating func append(
        _ event: String, _ json: [UInt8], operatorJSON: [UInt8]? = nil, room: String, _ kind: FeedEntry.Kind,
        at now: Instant
    ) -> FeedEntry {
        lastNumber += 1
        let id = id(lastNumber)
        func encoded(_ json: [UInt8]) -> [UInt8] {
            ServerSentEvent(event: event, id: id, data: String(decoding: json, as: UTF8.self)).encoded
        }
        let entry = FeedEntry(
            number: lastNumber, room: room, kind: kind, at: now, bytes: encoded(json),
            operatorBytes: operatorJSON.map(encoded))
        entries.append(entry)
        forgetOld(at: now)
        return entry
    }

    private mutating func forgetOld(at now: Instant) {
        var surplus = max(0, entries.count - Self.maximumEntries)
        while entries.count - surplus > Self.minimumEntries,
            now.nanoseconds(since: entries[surplus].at) > Self.retentionSeconds * 1_000_000_000
        {
            surplus += 1
        }
        // Moving the rest costs, so it is done for many at once.
        if surplus >= Self.maximumEntries / 8 { entries.removeFirst(surplus) }
    }

    // MARK: beginnings

    /// What a client gets first: a snapshot, or what it missed since the event it names, or, when that cannot be told, a
    /// `reset` and a snapshot.
    ///
    /// - Parameters:
    ///   - isOperator: whether it is told what only operators are told, of the rooms that it asked for.
    ///   - isVisible: whether this client may know of a room and asked for it.
    func beginning(
        after lastEventID: String?, isOperator: (String) -> Bool = { _ in false }, isVisible: (String) -> Bool
    ) -> [UInt8] {
        guard let lastEventID else { return snapshot(isVisible) }
        guard let missed = missed(after: lastEventID) else {
            return ServerSentEvent(event: "reset", data: "{}").encoded + snapshot(isVisible)
        }
        var bytes: [UInt8] = []
        for entry in missed {
            let isOperator = isOperator(entry.room)
            guard isVisible(entry.room) || isOperator && entry.operatorBytes != nil else { continue }
            bytes += entry.bytes(forOperator: isOperator)
        }
        return bytes
    }

    private func snapshot(_ isVisible: (String) -> Bool) -> [UInt8] {
        var data = Array("{\"rooms\":[".utf8)
        var isFirst = true
        for (name, room) in rooms.sorted(by: { $0.key < $1.key }) where isVisible(name) {
            if !isFirst { data.append(UInt8(ascii: ",")) }
            isFirst = false
            data += room.json
        }
        data += "]}".utf8
        return ServerSentEvent(event: "snapshot", id: id(lastNumber), data: String(decoding: data, as: UTF8.self))
            .encoded
    }

    /// Nil when the id is of another epoch, from the future, no id at all, or too old.
    private func missed(after id: String) -> ArraySlice<FeedEntry>? {
        guard let separator = id.lastIndex(of: "-"), id[..<separator] == epoch,
            let number = UInt64(id[id.index(after: separator)...]), number <= lastNumber
        else { return nil }
        guard let first = entries.first else { return number == lastNumber ? [] : nil }
        guard number + 1 >= first.number else { return nil }
        return entries.dropFirst(Int(number + 1 - first.number))
    }
}
