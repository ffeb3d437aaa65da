public import Wire

/// What became of a datagram given to ``ICELiteAgent/received(_:on:at:response:)``.
public enum ICEEvent: Hashable, Sendable {
    /// Nothing changed and nothing is to be sent.
    case ignored(ICEDropReason)
    /// A request was refused; nothing changed. The error answer is in `response`, unless its budget is used up.
    case rejected(STUNErrorCode)
    /// An authenticated request was answered; the answer is in `response`.
    ///
    /// - `added`: the tuple is validated from now on, and was not before. Map it to the session.
    /// - `selectionChanged`: ``ICELiteAgent/selectedTuple`` is another one than before the call.
    /// - `evicted`: a tuple that is no longer validated, to make room. Take it out of the map.
    case answered(added: Bool, selectionChanged: Bool, evicted: TransportTuple?)
    /// The peer answered a check of ours, which is over by that.
    ///
    /// - `moved`: the tuple is validated and selected from now on; otherwise nothing changed, as the peer turned out to be
    ///   elsewhere.
    /// - `evicted`: as above.
    case proved(moved: Bool, evicted: TransportTuple?)
}

/// Why a datagram was dropped without an answer.
public enum ICEDropReason: Hashable, Sendable {
    case malformed(STUNError)
    case fingerprint
    case indication
    /// A response to nothing that was asked, or from elsewhere.
    case unexpectedResponse
    /// A response to a check of ours by somebody who does not know the peer's password.
    case unauthenticatedResponse
    /// A method other than Binding.
    case method
    /// No USERNAME, or one that does not begin with our fragment.
    case username
    /// The answer would be too large for what was asked.
    case amplification
    /// The session is over.
    case closed
}

/// What the passing of time or the loss of a tuple means for the session.
public enum ICETimeout: Hashable, Sendable {
    /// Nothing is due; ask again at ``ICELiteAgent/nextDeadline``.
    case wait
    /// The selected tuple fell silent or closed; sending goes on to this validated one.
    case moved(TransportTuple)
    /// Nobody consents any more: stop sending at once. The session may still recover.
    case consentLost
    /// No path came up in time; the agent is closed.
    case neverConnected
    /// Consent did not come back in time; the agent is closed.
    case expired
}

/// Counters of one agent since its start.
public struct ICEStatistics: Hashable, Sendable {
    public var accepted: UInt64 = 0
    public var duplicates: UInt64 = 0
    public var rejected: UInt64 = 0
    public var ignored: UInt64 = 0
    /// Refused requests left without an answer because the budget for error answers was used up.
    public var unansweredErrors: UInt64 = 0
    public var selections: UInt64 = 0
    public var evictions: UInt64 = 0
    public var consentLosses: UInt64 = 0
    /// Restarts that the peer has followed with a check.
    public var restarts: UInt64 = 0
    /// Looks at media from unknown addresses.
    public var trials: UInt64 = 0
    /// Checks of our own that began, and what became of them.
    public var ownChecks: UInt64 = 0
    public var answeredOwnChecks: UInt64 = 0
    public var unansweredOwnChecks: UInt64 = 0
    /// Answered when the peer had been heard elsewhere again.
    public var supersededOwnChecks: UInt64 = 0
}
