import Loop
import Secure
import Streams
import Synchronization
import Wire

/// A room and where it lives.
struct RoomEntry: Sendable {
    var room: Room
    var loop: EventLoop
    var arena: SendArena
    /// Stable for the life of the room; what SigmaMediaServer's clients know a room by.
    var numericID: UInt32
}

/// The rooms that exist, by name. Rooms are made by their first publisher and forgotten when they have emptied.
actor RoomDirectory: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private let media: MediaPlane
    private let created: @Sendable (String) -> Void
    private let prepare: @Sendable (RoomEntry) -> Void
    private let observer: @Sendable (String, RoomEvent) -> Void
    private var rooms: [String: RoomEntry] = [:]
    private var nextTrackID: UInt64 = 1
    private var isStopping = false

    enum DirectoryError: Error, Hashable, Sendable {
        case tooManyRooms(limit: Int)
        case stopping
    }

    /// - Parameters:
    ///   - created: told the name of every new room, on this directory's loop.
    ///   - prepare: given every new room before anybody is in it, on this directory's loop.
    ///   - observer: told every room's changes, on that room's loop.
    init(
        on loop: EventLoop, media: MediaPlane, created: @escaping @Sendable (String) -> Void = { _ in },
        prepare: @escaping @Sendable (RoomEntry) -> Void = { _ in },
        observer: @escaping @Sendable (String, RoomEvent) -> Void
    ) {
        eventLoop = loop
        self.media = media
        self.created = created
        self.prepare = prepare
        self.observer = observer
    }

    var count: Int { rooms.count }
    var all: [RoomEntry] { rooms.values.sorted { $0.room.name < $1.room.name } }

    func room(named name: String) -> RoomEntry? { rooms[name] }

    func room(numericID: UInt32) -> RoomEntry? { rooms.values.first { $0.numericID == numericID } }

    /// The room called `name`, made when it does not exist.
    func open(_ name: String, policy: RoomPolicy, limit: Int) throws(DirectoryError) -> RoomEntry {
        guard !isStopping else { throw .stopping }
        if let entry = rooms[name] { return entry }
        guard rooms.count < limit else { throw .tooManyRooms(limit: limit) }
        let (loop, arena) = media.assignLoop()
        let observer = observer
        let numericID = unusedNumericID(for: name)
        let room = Room(name: name, loop: loop, policy: policy, firstTrackID: nextTrackID) { [weak self] event in
            observer(name, event)
            if case .emptied = event { self?.forget(name, numericID) }
        }
        nextTrackID += 3
        let entry = RoomEntry(room: room, loop: loop, arena: arena, numericID: numericID)
        rooms[name] = entry
        prepare(entry)
        created(name)
        return entry
    }

    /// A room published to under its number keeps that number.
    private func unusedNumericID(for name: String) -> UInt32 {
        if let number = UInt32(name), !rooms.values.contains(where: { $0.numericID == number }) { return number }
        while true {
            let number = SecureRandom.uint32()
            if !rooms.values.contains(where: { $0.numericID == number }) { return number }
        }
    }

    /// A room name nobody has used, for publishers that bring none.
    func unusedName() -> String {
        while true {
            let name = String(SecureRandom.uint32())
            if rooms[name] == nil { return name }
        }
    }

    private nonisolated func forget(_ name: String, _ numericID: UInt32) {
        eventLoop.execute { self.onLoop { $0.remove(name, numericID) } }
    }

    /// The name may belong to a newer room by now.
    private func remove(_ name: String, _ numericID: UInt32) {
        if rooms[name]?.numericID == numericID { rooms[name] = nil }
    }

    /// Forgets a closed room at once, so that its name is free for a new one.
    func discard(_ entry: RoomEntry) {
        if rooms[entry.room.name]?.room === entry.room { rooms[entry.room.name] = nil }
    }

    /// Accepts no new rooms and closes those that exist.
    func stop() async {
        isStopping = true
        for entry in rooms.values { await entry.room.close() }
        rooms.removeAll()
    }
}
