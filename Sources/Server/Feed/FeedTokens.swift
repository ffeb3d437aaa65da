import Loop
import Secure
import Synchronization
import Wire

/// Short-lived tokens for the event feed, given out for a long-lived one: `EventSource` can send no header, and what stands
/// in a URL stands in histories and logs (SSE-9).
///
/// Each stands for the token it was given out for, which is asked about anew whenever a feed is opened with it. It ends a
/// minute after it was given out or after the last feed that was opened with it ended, so that a page may reconnect, and
/// after a day for good. Any thread.
final class FeedTokens: Sendable {
    static let lifetimeSeconds: UInt64 = 60
    /// A feed that is open then stays so, but none is opened any more.
    static let longestSeconds: UInt64 = 86_400
    /// Feeds that may be open with one token at once: a page has one, and for a moment another.
    static let maximumUses = 8
    static let maximum = 10_000
    /// Of one long-lived token, whose oldest unused one goes for another.
    static let maximumOfOneToken = 100
    /// By which one is told from the tokens of the settings.
    private static let prefix = "feed-"

    private struct Entry {
        /// Of the token itself, for a comparison that tells nothing by its duration.
        var digest: [UInt8]
        var longLived: Redacted<String>
        var identity: FeedIdentity
        var uses = 0
        var expiry: Instant
        let end: Instant

        func opens(at now: Instant) -> Bool {
            now < end && uses < FeedTokens.maximumUses && (uses > 0 || expiry > now)
        }
    }

    private let entries = Mutex<[[UInt8]: Entry]>([:])
    private let maximum: Int
    private let now: @Sendable () -> Instant

    init(maximum: Int = maximum, now: @escaping @Sendable () -> Instant = { MonotonicClock.now }) {
        self.maximum = maximum
        self.now = now
    }

    /// Whether `text` can be one.
    static func isOne(_ text: String) -> Bool { text.hasPrefix(prefix) }

    /// - Parameter token: that the client may be told of rooms with.
    /// - Returns: nil when there are too many.
    func make(for token: String) -> String? {
        let made = Self.prefix + WebRTCSession.newID()
        let (digest, identity, now) = (Self.digest(of: made), FeedIdentity(token), now())
        return entries.withLock { entries in
            entries = entries.filter { $0.value.uses > 0 || $0.value.expiry > now }
            let own = entries.filter { $0.value.identity == identity && $0.value.uses == 0 }
            if own.count >= Self.maximumOfOneToken, let oldest = own.min(by: { $0.value.expiry < $1.value.expiry }) {
                entries[oldest.key] = nil
            }
            guard entries.count < maximum else { return nil }
            entries[digest] = Entry(
                digest: digest, longLived: Redacted(token), identity: identity,
                expiry: now.advanced(bySeconds: Self.lifetimeSeconds), end: now.advanced(bySeconds: Self.longestSeconds)
            )
            return made
        }
    }

    /// A feed is opened with a token; ``ended(_:)`` is to follow.
    ///
    /// - Returns: the token that it stands for; nil for one that was never given out, or is too old.
    func use(_ token: String) -> String? {
        let (digest, now) = (Self.digest(of: token), now())
        return entries.withLock { entries in
            guard let entry = entries[digest], entry.opens(at: now),
                entry.digest.withBytes({ own in digest.withBytes { constantTimeEquals(own, $0) } })
            else { return nil }
            entries[digest]?.uses += 1
            return entry.longLived.revealed
        }
    }

    /// A feed that was opened with a token is over.
    func ended(_ token: String) {
        let (digest, now) = (Self.digest(of: token), now())
        entries.withLock { entries in
            guard let uses = entries[digest]?.uses, uses > 0 else { return }
            entries[digest]?.uses = uses - 1
            entries[digest]?.expiry = now.advanced(bySeconds: Self.lifetimeSeconds)
        }
    }

    var count: Int { entries.withLock { $0.count } }
    /// Feeds that were opened with one and are not over.
    var usesNow: Int { entries.withLock { $0.values.reduce(0) { $0 + $1.uses } } }

    private static func digest(of token: String) -> [UInt8] { Array(token.utf8).withBytes { Digest.sha256($0) } }
}
