import HTTP
import Wire

/// One client of the feed: what it wants, what it may know, and its bounded queue. Owned by the feed alone.
///
/// A client that is too slow gets no more events; of what it misses the latest state of each room is kept, and told once
/// it has caught up (SSE-10). One that takes nothing at all for a while is given up.
final class FeedSubscriber {
    /// What may wait for a client beyond its beginning.
    static let queueBytes = 256 * 1024
    static let maximumPendingRooms = 2_048
    static let heartbeatSeconds: Int64 = 15
    static let deadAfterSeconds: Int64 = 45

    let stream: HTTPBodyStream
    let filter: RoomFilter
    let identity: FeedIdentity
    let address: ClientAddress
    /// Whether it is told what only operators are told.
    let isOperator: Bool
    let onEnd: @Sendable () -> Void

    private var pending: [String: FeedEntry] = [:]
    private var sentBytes: Int
    private var lastSent: Instant
    private var takenBytes = 0
    private var lastTaken: Instant
    /// Events it never gets: occurrences while it was too slow.
    private(set) var lost = 0

    init(
        stream: HTTPBodyStream, filter: RoomFilter, identity: FeedIdentity, address: ClientAddress,
        isOperator: Bool = false, onEnd: @escaping @Sendable () -> Void = {}, at now: Instant
    ) {
        self.stream = stream
        self.filter = filter
        self.identity = identity
        self.address = address
        self.isOperator = isOperator
        self.onEnd = onEnd
        sentBytes = stream.queuedBytes
        lastSent = now
        lastTaken = now
    }

    var isBehind: Bool { !pending.isEmpty }

    private func send(_ bytes: [UInt8], at now: Instant) -> Bool {
        guard stream.send(bytes) else { return false }
        sentBytes += bytes.count
        lastSent = now
        return true
    }

    /// Sends an event, or keeps it for later.
    ///
    /// - Returns: `false` when too much is kept already; the client is then to begin anew.
    func deliver(_ entry: FeedEntry, at now: Instant) -> Bool {
        if pending.isEmpty, send(entry.bytes(forOperator: isOperator), at: now) { return true }
        switch entry.kind {
        case .roomState: pending[entry.room] = entry
        case .occurrence: lost += 1
        }
        return pending.count <= Self.maximumPendingRooms
    }

    /// Sends what is soon superseded by itself; dropped when the client is slow.
    func offer(_ bytes: [UInt8], at now: Instant) {
        guard pending.isEmpty, stream.queuedBytes < Self.queueBytes / 2 else { return }
        _ = send(bytes, at: now)
    }

    /// Lets a client that has caught up have what was kept for it, and says something when nothing was said for long.
    ///
    /// - Parameter heartbeat: a comment, with the id of the latest event so that a quiet client stays resumable.
    /// - Returns: `false` when the client must be given up.
    func maintain(heartbeat: [UInt8], at now: Instant) -> Bool {
        let taken = sentBytes - stream.queuedBytes
        if taken > takenBytes || stream.queuedBytes == 0 {
            takenBytes = taken
            lastTaken = now
        }
        guard now.nanoseconds(since: lastTaken) < Self.deadAfterSeconds * 1_000_000_000 else { return false }
        if !pending.isEmpty, stream.queuedBytes < Self.queueBytes / 4 {
            for entry in pending.values.sorted(by: { $0.number < $1.number }) {
                guard send(entry.bytes, at: now) else { break }
                pending[entry.room] = nil
            }
        }
        if pending.isEmpty, now.nanoseconds(since: lastSent) >= Self.heartbeatSeconds * 1_000_000_000 {
            _ = send(heartbeat, at: now)
        }
        return true
    }
}
