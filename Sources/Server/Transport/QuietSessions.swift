import ICE
package import Wire

/// Finds the sessions that media from an unknown address may be of: a NAT gave a client another port, and it says
/// nothing of that because it does not know.
///
/// RTP and RTCP name their source in the clear, so the sessions asked about are those that sent of that source until now.
/// Publishers' sources are their own; browsers that only watch may all use the same, and then those come first that were
/// heard from the same host, and of these the ones that are silent for longer than they use to be. What is found is a
/// guess: the session itself tells whether the datagram is authentic.
///
/// A look goes through all sessions, at about 10 ns each, so looks are few per second, over all and for each source
/// address. Neither junk nor its addresses are remembered beyond that.
package struct QuietSessions {
    /// Sessions tried for one datagram.
    package static let maximumTrials = 8
    /// Looks through all sessions, at once and per second.
    package static let lookBurst: UInt32 = 50
    package static let looksPerSecond: UInt32 = 50
    /// A session that was silent for this long is gone.
    static let goneMilliseconds: Int64 = 10_000
    /// Sources remembered of each session: three layers and their repairs, sound, and one more.
    static let sourcesPerSession = 8

    /// What is known of a session, addressed by its slot.
    private struct Entry {
        var heardAt: Instant?
        /// The mean time between its datagrams.
        var intervalMicroseconds: Int64 = 0
        var host = SocketAddress(ipv4: 0, port: 0)
        var sources = InlineArray<8, UInt32>(repeating: 0)
        var sourceCount = 0
        var nextSource = 0

        func sends(_ source: UInt32) -> Bool {
            for index in 0..<sourceCount where sources[index] == source { return true }
            return false
        }
    }

    /// The slots to try, best first.
    package struct Found {
        package private(set) var count = 0
        private var slots = InlineArray<8, Int>(repeating: 0)
        private var ranks = InlineArray<8, Int64>(repeating: 0)

        package subscript(index: Int) -> Int { slots[index] }

        fileprivate mutating func insert(_ slot: Int, rank: Int64) {
            var index = count
            while index > 0, ranks[index - 1] < rank { index -= 1 }
            guard index < QuietSessions.maximumTrials else { return }
            count = min(count + 1, QuietSessions.maximumTrials)
            var last = count - 1
            while last > index {
                slots[last] = slots[last - 1]
                ranks[last] = ranks[last - 1]
                last -= 1
            }
            slots[index] = slot
            ranks[index] = rank
        }
    }

    private var entries: [Entry] = []
    private var free: [Int] = []
    private var looks: TokenBucket
    private var looksPerAddress: IntegrityFailureLimiter
    /// Looks taken, and datagrams that would have needed one more than there were.
    package private(set) var lookCount: UInt64 = 0
    package private(set) var limitedCount: UInt64 = 0

    package init(seed: UInt64, at now: Instant) {
        looks = TokenBucket(burst: Self.lookBurst, perSecond: Self.looksPerSecond, at: now)
        looksPerAddress = IntegrityFailureLimiter(seed: seed)
    }

    /// - Returns: the slot of a new session.
    package mutating func add() -> Int {
        if let slot = free.popLast() { return slot }
        entries.append(Entry())
        return entries.count - 1
    }

    package mutating func remove(_ slot: Int) {
        entries[slot] = Entry()
        free.append(slot)
    }

    /// Media came from an address that is the session's.
    package mutating func heard(_ slot: Int, _ datagram: RawSpan, from remote: SocketAddress, at now: Instant) {
        guard let source = Self.source(of: datagram) else { return }
        if let heardAt = entries[slot].heardAt {
            let elapsed = min(max(now.nanoseconds(since: heardAt), 0) / 1_000, Self.goneMilliseconds * 1_000)
            entries[slot].intervalMicroseconds += (elapsed - entries[slot].intervalMicroseconds) / 8
        }
        entries[slot].heardAt = now
        entries[slot].host = remote.withPort(0)
        guard !entries[slot].sends(source) else { return }
        entries[slot].sources[entries[slot].nextSource] = source
        entries[slot].nextSource = (entries[slot].nextSource + 1) % Self.sourcesPerSession
        entries[slot].sourceCount = min(entries[slot].sourceCount + 1, Self.sourcesPerSession)
    }

    /// The sessions that media from `remote`, which is nobody's address, may be of; none when too much was asked.
    package mutating func candidates(
        for datagram: RawSpan, from remote: SocketAddress, at now: Instant
    ) -> Found {
        var found = Found()
        guard entries.count > free.count, let source = Self.source(of: datagram) else { return found }
        guard looksPerAddress.allows(remote, at: now), looks.take(at: now) else {
            limitedCount &+= 1
            return found
        }
        looksPerAddress.failed(remote, at: now)
        lookCount &+= 1
        let host = remote.withPort(0)
        for slot in entries.indices {
            guard let heardAt = entries[slot].heardAt, entries[slot].sends(source) else { continue }
            let silence = max(now.nanoseconds(since: heardAt), 0) / 1_000
            guard silence < Self.goneMilliseconds * 1_000 else { continue }
            // How many turns it has missed, in 1/16, and far more for a neighbour.
            let missed = silence * 16 / max(entries[slot].intervalMicroseconds, 1_000)
            found.insert(slot, rank: entries[slot].host == host ? missed + Int64(1) << 40 : missed)
        }
        return found
    }

    /// The SSRC that the datagram is of, which SRTP and SRTCP leave in the clear.
    private static func source(of datagram: RawSpan) -> UInt32? {
        switch DatagramKind(datagram) {
        case .rtp: datagram.integer(at: 8)
        case .rtcp: datagram.integer(at: 4)
        case .stun, .zrtp, .dtls, .turnChannel, .unknown: nil
        }
    }
}
