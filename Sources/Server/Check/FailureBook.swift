import Synchronization
import Wire

/// The sessions that failed lately, for `/check` and `martlet doctor`. Written and read on any thread.
///
/// What fails again and again in the same way is one entry with a count, so that a client which tries every two seconds
/// does not push out everybody else.
final class FailureBook: Sendable {
    static let maximumEntries = 64
    /// Of these one address (of IPv6: a /64, as limits count it) may fill so many: it pushes out its own oldest.
    static let maximumEntriesPerAddress = 16
    static let memorySeconds: Int64 = 3_600
    /// A failure is news for so long.
    static let recentSeconds: Int64 = 600
    /// What goes on in the same way is news again after so long.
    static let quietSeconds: Int64 = 60

    struct Entry: Hashable, Sendable {
        var room: String
        /// The latest of them.
        var failure: SessionFailure
        var count = 1
        var latest: Instant
        var told: Instant

        /// Whether `other` is the same thing once more.
        fileprivate func isAlike(_ other: SessionFailure, in room: String) -> Bool {
            self.room == room && failure.role == other.role && failure.protocol == other.protocol
                && failure.reason == other.reason
                && failure.progress == other.progress && isFrom(other.remote)
                && (failure.progress != .refused || failure.detail == other.detail)
        }

        fileprivate func isFrom(_ remote: SocketAddress?) -> Bool {
            failure.remote.map { ClientAddress($0) } == remote.map { ClientAddress($0) }
        }
    }

    /// In the order of their latest occurrence.
    private let entries = Mutex<[Entry]>([])

    /// - Returns: whether it is news, rather than one more of what was told a moment ago.
    @discardableResult
    func note(_ failure: SessionFailure, in room: String, at now: Instant) -> Bool {
        entries.withLock { entries in
            entries.removeAll { now.nanoseconds(since: $0.latest) > Self.memorySeconds * 1_000_000_000 }
            var entry = Entry(room: room, failure: failure, latest: now, told: now)
            var isNews = true
            if let index = entries.firstIndex(where: { $0.isAlike(failure, in: room) }) {
                let former = entries.remove(at: index)
                entry.count += former.count
                isNews = now.nanoseconds(since: former.told) >= Self.quietSeconds * 1_000_000_000
                if !isNews { entry.told = former.told }
            } else if entries.count(where: { $0.isFrom(failure.remote) }) >= Self.maximumEntriesPerAddress,
                let oldest = entries.firstIndex(where: { $0.isFrom(failure.remote) })
            {
                entries.remove(at: oldest)
            } else if entries.count >= Self.maximumEntries {
                // Who only waits makes room for what failed, and so do offers: anybody may send many.
                let victim =
                    entries.firstIndex { !$0.failure.reason.isFailure }
                    ?? entries.firstIndex { $0.failure.progress == .refused }
                entries.remove(at: victim ?? 0)
            }
            entries.append(entry)
            return isNews
        }
    }

    /// The latest first.
    func all(at now: Instant) -> [Entry] {
        entries.withLock { entries in
            entries.reversed().filter { now.nanoseconds(since: $0.latest) <= Self.memorySeconds * 1_000_000_000 }
        }
    }
}

/// A failed session as a report tells of it.
struct CheckFailure: Hashable, Sendable {
    /// Nil for strangers.
    var room: String?
    var failure: SessionFailure
    var count: Int
    var secondsAgo: Int64

    /// - Returns: nil for what is none of the asker's business: strangers are told of their own address alone. Loopback
    ///   is nobody's own, since everybody behind a proxy on this machine may seem to come from there.
    init?(_ entry: FailureBook.Entry, at now: Instant, for client: SocketAddress, isOperator: Bool) {
        let isOwn = entry.failure.remote?.withPort(0) == client.withPort(0) && !client.isLoopback
        guard isOperator || isOwn else { return nil }
        room = isOperator ? entry.room : nil
        failure = entry.failure
        count = entry.count
        secondsAgo = max(0, now.milliseconds(since: entry.latest) / 1_000)
    }
}
