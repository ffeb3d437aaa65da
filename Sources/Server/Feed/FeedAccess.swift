import Secure
import Wire

/// What authorization of subscribers depends on: the digest of the token they brought, or none.
///
/// Subscribers of one identity share their decisions, so a thousand anonymous clients cost one question per room.
struct FeedIdentity: Hashable, Sendable {
    var tokenDigest: [UInt8]?

    init(_ token: String?) {
        tokenDigest = token.map { Array($0.utf8).withBytes { Digest.sha256($0) } }
    }
}

/// Who may know of which rooms, asked once per room and identity (SSE-12).
struct FeedAccess {
    private struct Group {
        var credentials: Credentials
        var subscribers = 0
        var decisions: [String: Bool] = [:]
    }

    private var groups: [FeedIdentity: Group] = [:]
    /// Counts changes of the settings: a decision made under earlier ones is not taken.
    private(set) var generation = 0

    var identityCount: Int { groups.count }

    mutating func enter(_ identity: FeedIdentity, _ credentials: Credentials) {
        groups[identity, default: Group(credentials: credentials)].subscribers += 1
    }

    mutating func leave(_ identity: FeedIdentity) {
        groups[identity]?.subscribers -= 1
        if let group = groups[identity], group.subscribers <= 0 { groups[identity] = nil }
    }

    func mayRead(_ room: String, _ identity: FeedIdentity) -> Bool { groups[identity]?.decisions[room] ?? false }

    /// Who has to be asked about for `room`.
    func undecided(for room: String) -> [(identity: FeedIdentity, credentials: Credentials)] {
        groups.compactMap { identity, group in group.decisions[room] == nil ? (identity, group.credentials) : nil }
    }

    func isDecided(_ room: String, _ identity: FeedIdentity) -> Bool { groups[identity]?.decisions[room] != nil }

    mutating func decide(_ room: String, _ identity: FeedIdentity, _ isAllowed: Bool, generation: Int) {
        guard generation == self.generation else { return }
        groups[identity]?.decisions[room] = isAllowed
    }

    /// Forgets decisions about rooms nobody can be told of any more.
    mutating func keep(only rooms: Set<String>) {
        for (identity, group) in groups {
            groups[identity]?.decisions = group.decisions.filter { rooms.contains($0.key) }
        }
    }

    /// Who may do what has changed: nothing is decided any more.
    mutating func reset() {
        generation += 1
        for identity in groups.keys { groups[identity]?.decisions = [:] }
    }
}
