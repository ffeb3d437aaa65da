public import Wire

/// Counts sessions and refuses those that are too many. A value for one owner; it knows no clock and no lock.
public struct SessionLimits: Sendable {
    /// Which limit was reached. Raw values are the names of the settings.
    public enum Refusal: String, Error, Sendable, Hashable, CaseIterable {
        case maxSessions, maxRooms, maxReaders, maxViewersPerIP
    }

    /// A place among the sessions, given back with ``release(_:)``.
    public struct Ticket: Hashable, Sendable {
        fileprivate let number: UInt64
    }

    private struct Session {
        var role: PeerRole
        var room: String
        var address: ClientAddress
    }

    private struct RoomCount {
        var viewers = 0
        var total = 0
    }

    public private(set) var maximumSessions: Int
    public private(set) var maximumRooms: Int
    /// 0 means no limit.
    public private(set) var maximumViewersPerAddress: Int

    private var sessions: [UInt64: Session] = [:]
    private var rooms: [String: RoomCount] = [:]
    private var viewersByAddress: [ClientAddress: Int] = [:]
    private var nextNumber: UInt64 = 0
    private var refusals: [Refusal: UInt64] = [:]

    public init(_ settings: ServerSettings = ServerSettings()) {
        maximumSessions = settings.maxSessions
        maximumRooms = settings.maxRooms
        maximumViewersPerAddress = settings.maxViewersPerIP
    }

    /// Takes new limits, for a reload. Sessions beyond them stay.
    public mutating func change(_ settings: ServerSettings) {
        maximumSessions = settings.maxSessions
        maximumRooms = settings.maxRooms
        maximumViewersPerAddress = settings.maxViewersPerIP
    }

    /// Finds a place for a session.
    ///
    /// - Parameter maximumReaders: The room's own limit of viewers; 0 means none.
    public mutating func admit(
        _ role: PeerRole, room: String, maximumReaders: Int, from address: SocketAddress
    ) throws(Refusal) -> Ticket {
        let client = ClientAddress(address)
        guard sessions.count < maximumSessions else { throw refuse(.maxSessions) }
        guard rooms[room] != nil || rooms.count < maximumRooms else { throw refuse(.maxRooms) }
        if role == .viewer {
            guard maximumReaders == 0 || rooms[room]?.viewers ?? 0 < maximumReaders else { throw refuse(.maxReaders) }
            guard maximumViewersPerAddress == 0 || viewersByAddress[client] ?? 0 < maximumViewersPerAddress else {
                throw refuse(.maxViewersPerIP)
            }
            viewersByAddress[client, default: 0] += 1
            rooms[room, default: RoomCount()].viewers += 1
        }
        rooms[room, default: RoomCount()].total += 1
        nextNumber += 1
        sessions[nextNumber] = Session(role: role, room: room, address: client)
        return Ticket(number: nextNumber)
    }

    /// Gives a place back. A second time does nothing.
    public mutating func release(_ ticket: Ticket) {
        guard let session = sessions.removeValue(forKey: ticket.number) else { return }
        if var room = rooms[session.room] {
            room.total -= 1
            if session.role == .viewer { room.viewers -= 1 }
            rooms[session.room] = room.total > 0 ? room : nil
        }
        if session.role == .viewer, let count = viewersByAddress[session.address] {
            viewersByAddress[session.address] = count > 1 ? count - 1 : nil
        }
    }

    private mutating func refuse(_ refusal: Refusal) -> Refusal {
        refusals[refusal, default: 0] += 1
        return refusal
    }

    public var sessionCount: Int { sessions.count }
    public var roomCount: Int { rooms.count }
    public func viewerCount(in room: String) -> Int { rooms[room]?.viewers ?? 0 }
    public func viewerCount(from address: SocketAddress) -> Int { viewersByAddress[ClientAddress(address)] ?? 0 }
    /// How often each limit refused somebody.
    public func refusalCount(_ refusal: Refusal) -> UInt64 { refusals[refusal] ?? 0 }
}
