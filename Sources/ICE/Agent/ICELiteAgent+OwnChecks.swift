public import Wire

/// What becomes of the checks that the agent sends itself; see ``ICELiteAgent/nextOwnCheck(at:request:)``.
public enum ICEOwnCheck: Hashable, Sendable {
    /// The request is to be sent to this tuple, and what is answered on it is to be given to the agent.
    case send(TransportTuple)
    /// Nobody there proved to be the peer: the tuple is of no more use.
    case givenUp(TransportTuple)
}

/// A check of ours that waits for its answer.
struct OwnCheck {
    var tuple: TransportTuple
    var transactionID: STUNTransactionID
    /// Where media went when it began.
    var selectedTuple: TransportTuple?
    var startedAt: Instant
    var transmissions = 0
    var nextAt: Instant
}

// The one case in which a lite agent asks: the peer is heard from an address that no check came from, as when a NAT gave
// it another port, of which the peer knows nothing and says nothing before its next check. Media proves who sent it, not
// where it came from, so the address is validated like one of QUIC (RFC 9000, sections 8.2 and 9.3): a Binding request goes
// there, which full agents answer at any time (RFC 8445, section 7.3), and only the answer moves media.
//
// Who repeats what a peer sent, from an address of his choice, has it sent a few requests, each smaller than most packets: a
// peer whose fragment would make them large is not asked.

extension ICELiteAgent {
    /// Whether media from `tuple` is worth the look that tells whether the peer sent it: it could begin a check, and few
    /// such looks were taken of late. One is taken by asking.
    public mutating func spendsTrial(on tuple: TransportTuple, at now: Instant) -> Bool {
        guard mayCheck(tuple), checkBudget.hasToken(at: now), trialBudget.take(at: now) else { return false }
        statistics.trials &+= 1
        return true
    }

    /// Reports media from a tuple that is not validated. To be called only for media that is authentic and newer than
    /// any before: what is older may have been recorded.
    ///
    /// - Returns: whether a check begins; see ``nextOwnCheck(at:request:)``.
    public mutating func strayMediaReceived(on tuple: TransportTuple, at now: Instant) -> Bool {
        guard mayCheck(tuple), checkBudget.take(at: now) else { return false }
        ownChecks.append(
            OwnCheck(
                tuple: tuple, transactionID: nextTransaction(), selectedTuple: selectedTuple, startedAt: now,
                nextAt: now))
        statistics.ownChecks &+= 1
        return true
    }

    private func mayCheck(_ tuple: TransportTuple) -> Bool {
        guard !checkSecret.isEmpty, tuple.transport == .udp, ownChecks.count < ICELimits.maximumOwnChecks,
            !ownChecks.contains(where: { $0.tuple == tuple }),
            generation.remoteUsername.count <= ICELimits.maximumOwnCheckUsername
        else { return false }
        switch phase {
        case .connected, .disconnected: return true
        case .connecting, .closed: return false
        }
    }

    /// What is to be done about the agent's own checks at `now`; nil when nothing is. To be asked until it says so,
    /// whenever a check began and whenever ``nextDeadline`` has passed.
    ///
    /// - Parameter request: replaced by the request to be sent.
    public mutating func nextOwnCheck(at now: Instant, request: inout [UInt8]) -> ICEOwnCheck? {
        guard let index = ownChecks.firstIndex(where: { $0.nextAt <= now }) else { return nil }
        guard ownChecks[index].transmissions < ICELimits.ownCheckTransmissions else {
            statistics.unansweredOwnChecks &+= 1
            return .givenUp(ownChecks.remove(at: index).tuple)
        }
        let wait = ICELimits.ownCheckMilliseconds << UInt64(ownChecks[index].transmissions)
        ownChecks[index].transmissions += 1
        ownChecks[index].nextAt = now.advanced(byMilliseconds: wait)
        request.removeAll(keepingCapacity: true)
        write(ownChecks[index], into: &request)
        return .send(ownChecks[index].tuple)
    }

    /// RFC 8445, section 7.2.2: the credentials of a request are those of its receiver.
    private func write(_ check: OwnCheck, into request: inout [UInt8]) {
        let writer = STUNWriter(.request, transactionID: check.transactionID, into: &request)
        writer.append(.username, generation.remoteUsername, into: &request)
        writer.append(.priority, integer: ICELimits.peerReflexivePriority, into: &request)
        writer.append(.iceControlled, integer: tieBreaker, into: &request)
        writer.appendIntegrity(key: generation.remoteKey, authentication, into: &request)
        writer.appendFingerprint(into: &request)
    }

    /// Takes an answer: one of ours that comes from where it was asked for, from somebody who knows the peer's password,
    /// validates the tuple and moves media there.
    ///
    /// It does not when the peer has meanwhile been heard where media goes, or has nominated another tuple: then somebody
    /// only passes packets on, or they were under way for long.
    mutating func acceptAnswer(
        _ message: STUNMessage, _ datagram: RawSpan, on tuple: TransportTuple, at now: Instant
    ) -> ICEEvent {
        guard message.method == STUNMessage.bindingMethod,
            let index = ownChecks.firstIndex(where: {
                $0.tuple == tuple && $0.transactionID == message.transactionID
            })
        else { return .ignored(.unexpectedResponse) }
        guard
            message.integrityIsValid(
                in: datagram, key: generation.remoteKey, authentication: authentication, scratch: &scratch)
        else { return .ignored(.unauthenticatedResponse) }

        let check = ownChecks.remove(at: index)
        guard check.selectedTuple == selectedTuple, !isHeardWhereSelected(since: check.startedAt) else {
            statistics.supersededOwnChecks &+= 1
            return .proved(moved: false, evicted: nil)
        }
        statistics.answeredOwnChecks &+= 1
        let left = selectedTuple
        let (path, evicted) = addPath(tuple, at: now)
        leftTuple = left
        // It stands for the nominated one, of which it is the other end of the same network path.
        paths[path].isNominated = true
        nominatedTuple = tuple
        _ = select(path)
        return .proved(moved: true, evicted: evicted)
    }

    private func isHeardWhereSelected(since start: Instant) -> Bool {
        guard let selectedIndex else { return false }
        return paths[selectedIndex].heardAt > start
    }

    /// The tuple was validated by the peer's own check: an answer would say nothing new.
    mutating func endOwnCheck(of tuple: TransportTuple) {
        ownChecks.removeAll { $0.tuple == tuple }
    }

    /// Ninety-six bits that nobody can guess who was not sent them, the peer included, or it could have media sent to
    /// where it is not.
    private mutating func nextTransaction() -> STUNTransactionID {
        ownCheckCount &+= 1
        let code = authentication.hmac(checkSecret, over: ownCheckCount)
        return STUNTransactionID(high: UInt32(Self.word(of: code, 0..<4)), low: Self.word(of: code, 4..<12))
    }

    /// At most eight bytes of `code`, first byte first.
    static func word(of code: InlineArray<20, UInt8>, _ range: Range<Int>) -> UInt64 {
        range.reduce(0) { $0 << 8 | UInt64(code[$1]) }
    }
}

extension ICEAuthentication {
    func hmac(_ key: [UInt8], over number: UInt64) -> InlineArray<20, UInt8> {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: number)
        var code = InlineArray<20, UInt8>(repeating: 0)
        bytes.withBytes { hmacSHA1(key, $0, &code) }
        return code
    }
}
