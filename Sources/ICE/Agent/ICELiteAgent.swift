public import Wire

/// The answering side of ICE for one session: a lite agent, always controlled (RFC 8445, section 2.5).
///
/// The peer's authenticated checks validate tuples, nominate one of them and stand for the peer's consent (RFC 7675);
/// authenticated media stands for the consent of clients that stop checking. The agent itself checks in one case only:
/// when the peer's media comes from an address that is not validated (``strayMediaReceived(on:at:)``).
///
///     connecting ──tuple selected──▶ connected ◀──check or media──┐
///         │                             │  └──silence, other tuple alive──▶ connected (moved)
///         │                             └──silence everywhere──▶ disconnected
///         └──connectSeconds──▶ closed ◀──graceSeconds───────────────┘
///
/// The agent does no I/O and reads no clock. The caller reports what happened and when, sends `response` back on
/// the tuple the request came on, and calls ``deadlineReached(at:)`` once ``nextDeadline`` has passed. After the
/// first few calls nothing allocates.
///
/// Left out: candidates, the full agent's role. A restart (``restart(local:remote:)``) keeps all paths.
public struct ICELiteAgent: ~Copyable {
    enum Phase {
        case connecting
        case connected
        case disconnected(until: Instant)
        case closed
    }

    /// A tuple on which an authenticated check came.
    struct Path {
        var tuple: TransportTuple
        /// Last fresh check, or authenticated media.
        var heardAt: Instant
        var isNominated = false
    }

    public let limits: ICELimits
    public internal(set) var statistics = ICEStatistics()

    let authentication: ICEAuthentication
    let connectDeadline: Instant
    /// What requests have to know, and what they have to know after a restart nobody has proved to have heard of yet.
    var generation: ICEGeneration
    var pendingGeneration: ICEGeneration?

    var phase = Phase.connecting
    var paths: [Path] = []
    /// The path media goes out on; while disconnected, the one it went out on last.
    var selectedIndex: Int?
    /// The highest value of Chrome's NOMINATION attribute, and the tuple it came on.
    var latestNomination: UInt32?
    var nominatedTuple: TransportTuple?
    var recentTransactions = RecentTransactions()
    var errorBudget: TokenBucket
    /// What the transaction ids of our own checks are made of; none are sent when it is empty.
    let checkSecret: [UInt8]
    var ownChecks: [OwnCheck] = []
    var ownCheckCount: UInt64 = 0
    /// RFC 8445, section 16.1: the same in every check of the session.
    let tieBreaker: UInt64
    /// Where media went before an answer to our own check moved it, until the peer itself says where it is.
    var leftTuple: TransportTuple?
    var checkBudget: TokenBucket
    var trialBudget: TokenBucket
    /// Reused for the copy of a message whose integrity is checked.
    var scratch: [UInt8] = []

    /// - Parameter checkSecret: bytes of a cryptographic generator that nobody else knows, the peer included; without them
    ///   the agent sends no checks of its own.
    public init(
        local: ICECredentials, remote: ICECredentials, authentication: ICEAuthentication, startedAt now: Instant,
        limits: ICELimits = ICELimits(), checkSecret: [UInt8] = []
    ) {
        self.limits = limits
        self.authentication = authentication
        generation = ICEGeneration(local: local, remote: remote)
        connectDeadline = now.advanced(bySeconds: limits.connectSeconds)
        errorBudget = TokenBucket(
            burst: ICELimits.errorResponseBurst, perSecond: ICELimits.errorResponsesPerSecond, at: now)
        self.checkSecret = checkSecret
        tieBreaker = Self.word(of: authentication.hmac(checkSecret, over: 0), 12..<20)
        checkBudget = TokenBucket(burst: ICELimits.ownCheckBurst, perSecond: ICELimits.ownChecksPerSecond, at: now)
        trialBudget = TokenBucket(burst: ICELimits.trialBurst, perSecond: ICELimits.trialsPerSecond, at: now)
        paths.reserveCapacity(ICELimits.maximumTuples)
    }

    /// The credentials of ours that were proved last, or those of the start.
    public var local: ICECredentials { generation.local }

    /// Where to send; nil before a path is selected and as soon as consent is lost.
    public var selectedTuple: TransportTuple? {
        guard case .connected = phase, let selectedIndex else { return nil }
        return paths[selectedIndex].tuple
    }

    /// Whether DTLS and media from `tuple` may be processed (at most 8 comparisons).
    public func isValidated(_ tuple: TransportTuple) -> Bool { index(of: tuple) != nil }

    /// Where a handshake message goes that answers none: to the selected tuple or, before there is one, to the one heard
    /// last. Nil when nobody consents to being sent anything (RFC 7675).
    public func handshakeTuple(at now: Instant) -> TransportTuple? {
        if let selectedTuple { return selectedTuple }
        var best: Int?
        for index in paths.indices where hasConsent(index, at: now) {
            if let current = best, paths[index].heardAt <= paths[current].heardAt { continue }
            best = index
        }
        return best.map { paths[$0].tuple }
    }

    /// When an authenticated check or authenticated media last came on `tuple`; nil when it is not validated.
    public func heard(on tuple: TransportTuple) -> Instant? { index(of: tuple).map { paths[$0].heardAt } }

    /// The tuples to map to this session, in no particular order. Allocates; not for the packet path.
    public var validatedTuples: [TransportTuple] { paths.map(\.tuple) }

    public var isClosed: Bool {
        if case .closed = phase { true } else { false }
    }

    /// Reports media that passed its authentication. It keeps consent alive on its tuple (clients such as FFmpeg
    /// send no checks after nomination) and revives a session whose consent was lost.
    ///
    /// - Returns: whether ``selectedTuple`` changed. Media selects no other tuple but the one that an answer to our own
    ///   check made us leave: there the peer is, then, and whoever answered elsewhere may only have passed packets on.
    @discardableResult
    public mutating func mediaReceived(on tuple: TransportTuple, at now: Instant) -> Bool {
        guard let index = index(of: tuple) else { return false }
        hear(index, at: now)
        switch phase {
        case .disconnected where index == selectedIndex:
            phase = .connected
            return true
        case .connected where leftTuple == tuple && index != selectedIndex:
            // Both are proved: what comes on the other moves media there again.
            leftTuple = selectedTuple
            nominatedTuple = tuple
            return select(index)
        default:
            return false
        }
    }

    /// Reports a DTLS datagram while the handshake runs, before it is processed.
    ///
    /// A client that nominates every pair at once (Firefox) shows by where its handshake comes from which one it
    /// means, so the handshake selects its tuple: any validated one before the first nomination, then nominated
    /// ones only. Not to be called after the handshake, when a nomination alone moves media.
    ///
    /// - Returns: whether ``selectedTuple`` changed.
    @discardableResult
    public mutating func secureDatagramReceived(on tuple: TransportTuple, at now: Instant) -> Bool {
        guard let index = index(of: tuple), hasConsent(index, at: now) else { return false }
        guard paths[index].isNominated || !paths.contains(where: \.isNominated) else { return false }
        return select(index)
    }

    /// Reports that a tuple is gone, which only happens to connections.
    public mutating func tupleClosed(_ tuple: TransportTuple, at now: Instant) -> ICETimeout {
        guard let index = index(of: tuple) else { return .wait }
        let wasSelected = index == selectedIndex
        removePath(at: index)
        guard wasSelected, case .connected = phase else { return .wait }
        return leaveSelectedPath(at: now)
    }

    /// When ``deadlineReached(at:)`` must be called, and ``nextOwnCheck(at:request:)`` behind it; nil when nothing is
    /// pending. Media moves it without notice, so arm a timer for it only when the timer fires or the phase changes.
    public var nextDeadline: Instant? {
        guard let check = ownChecks.lazy.map(\.nextAt).min() else { return phaseDeadline }
        return phaseDeadline.map { min($0, check) } ?? check
    }

    private var phaseDeadline: Instant? {
        switch phase {
        case .connecting: connectDeadline
        case .connected: selectedIndex.map { consentEnd(of: $0) }
        case .disconnected(let until): until
        case .closed: nil
        }
    }

    /// Lets time pass. Harmless when called early.
    public mutating func deadlineReached(at now: Instant) -> ICETimeout {
        switch phase {
        case .connecting:
            guard now >= connectDeadline else { return .wait }
            close()
            return .neverConnected
        case .connected:
            if let selectedIndex, hasConsent(selectedIndex, at: now) { return .wait }
            return leaveSelectedPath(at: now)
        case .disconnected(let until):
            guard now >= until else { return .wait }
            close()
            return .expired
        case .closed:
            return .wait
        }
    }

    /// Ends the session: nothing is validated, answered or due any more.
    public mutating func close() {
        phase = .closed
        paths.removeAll(keepingCapacity: true)
        ownChecks.removeAll()
        selectedIndex = nil
    }
}

/// The transaction ids of the last authenticated requests, to tell a retransmission from a new check.
struct RecentTransactions {
    private var ids = InlineArray<32, STUNTransactionID>(repeating: STUNTransactionID(high: 0, low: 0))
    private var count = 0
    private var next = 0

    func contains(_ id: STUNTransactionID) -> Bool {
        for index in 0..<count where ids[index] == id { return true }
        return false
    }

    mutating func insert(_ id: STUNTransactionID) {
        ids[next] = id
        next = (next + 1) % ids.count
        count = min(count + 1, ids.count)
    }
}
