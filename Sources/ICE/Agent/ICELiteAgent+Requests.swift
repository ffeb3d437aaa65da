public import Wire

extension ICELiteAgent {
    /// Reads a STUN datagram of this session.
    ///
    /// Nothing changes before the sender proved that it knows our password. Error answers are never longer than
    /// one and a half times the request, and those to unproven senders are few per second.
    ///
    /// - Parameters:
    ///   - tuple: where the datagram came from and to; the answer goes back on it.
    ///   - response: the answer is appended; nothing is when there is none. Meant to be reused.
    public mutating func received(
        _ datagram: RawSpan, on tuple: TransportTuple, at now: Instant, response: inout [UInt8]
    ) -> ICEEvent {
        let event = process(datagram, on: tuple, at: now, response: &response)
        switch event {
        case .ignored: statistics.ignored &+= 1
        case .rejected: statistics.rejected &+= 1
        case .answered, .proved: statistics.accepted &+= 1
        }
        return event
    }

    private mutating func process(
        _ datagram: RawSpan, on tuple: TransportTuple, at now: Instant, response: inout [UInt8]
    ) -> ICEEvent {
        if isClosed { return .ignored(.closed) }
        let message: STUNMessage
        do throws(STUNError) {
            message = try STUNMessage(parsing: datagram)
        } catch {
            return .ignored(.malformed(error))
        }
        guard message.fingerprintIsValid(in: datagram) else { return .ignored(.fingerprint) }
        switch message.messageClass {
        case .request: break
        case .indication: return .ignored(.indication)
        case .success: return acceptAnswer(message, datagram, on: tuple, at: now)
        case .error: return .ignored(.unexpectedResponse)
        }
        guard message.method == STUNMessage.bindingMethod else { return .ignored(.method) }
        guard let sentUsername = message.username,
            let (generation, isPending) = addressee(of: sentUsername, in: datagram)
        else { return .ignored(.username) }

        guard message.hasIntegrity else {
            return refuse(message, .badRequest, datagram.byteCount, at: now, response: &response)
        }
        guard generation.expects(sentUsername, in: datagram),
            message.integrityIsValid(
                in: datagram, key: generation.key, authentication: authentication, scratch: &scratch)
        else {
            return refuse(message, .unauthenticated, datagram.byteCount, at: now, response: &response)
        }

        if message.unknownRequiredCount > 0 {
            return reject(message, .unknownAttribute, generation.key, datagram.byteCount, response: &response)
        }
        if message.iceControlled != nil {
            return reject(message, .roleConflict, generation.key, datagram.byteCount, response: &response)
        }
        let writer = STUNWriter(.success, transactionID: message.transactionID, into: &response)
        writer.append(mappedAddress: tuple.remote, into: &response)
        finish(writer, like: message, generation.key, into: &response)
        if isPending { completeRestart() }
        return accept(message, on: tuple, at: now)
    }

    /// Takes an authenticated request for what it says about its tuple.
    private mutating func accept(_ message: STUNMessage, on tuple: TransportTuple, at now: Instant) -> ICEEvent {
        let isRepeated = recentTransactions.contains(message.transactionID)
        var evicted: TransportTuple?
        var added = false
        let path: Int
        if let known = index(of: tuple) {
            path = known
        } else {
            (path, evicted) = addPath(tuple, at: now)
            endOwnCheck(of: tuple)
            added = true
        }
        // A retransmission is answered like its original, but nominates and refreshes nothing: it may be old.
        guard !isRepeated else {
            statistics.duplicates &+= 1
            return .answered(added: added, selectionChanged: false, evicted: evicted)
        }
        recentTransactions.insert(message.transactionID)
        hear(path, at: now)
        if path == selectedIndex { leftTuple = nil }

        var selectionChanged = false
        if nominates(message, tuple) {
            paths[path].isNominated = true
            nominatedTuple = tuple
            leftTuple = nil
            selectionChanged = select(path)
        } else if case .disconnected = phase, path == selectedIndex {
            selectionChanged = select(path)
        }
        return .answered(added: added, selectionChanged: selectionChanged, evicted: evicted)
    }

    /// The latest nomination wins: with Chrome's counter the highest value, without it the last to arrive.
    private mutating func nominates(_ message: STUNMessage, _ tuple: TransportTuple) -> Bool {
        guard let value = message.nomination else { return message.useCandidate }
        if let latestNomination, value <= latestNomination {
            return value == latestNomination && tuple == nominatedTuple
        }
        latestNomination = value
        return true
    }

    /// Whose fragment a USERNAME begins with.
    private func addressee(
        of sent: Range<Int>, in datagram: RawSpan
    ) -> (generation: ICEGeneration, isPending: Bool)? {
        if generation.isNamed(by: sent, in: datagram) { return (generation, false) }
        if let pendingGeneration, pendingGeneration.isNamed(by: sent, in: datagram) { return (pendingGeneration, true) }
        return nil
    }

    /// Refuses a sender that proved nothing: within the budget, and without integrity.
    private mutating func refuse(
        _ message: STUNMessage, _ code: STUNErrorCode, _ requestSize: Int, at now: Instant, response: inout [UInt8]
    ) -> ICEEvent {
        guard errorBudget.take(at: now) else {
            statistics.unansweredErrors &+= 1
            return .rejected(code)
        }
        let start = response.count
        let writer = STUNWriter(.error, transactionID: message.transactionID, into: &response)
        writer.append(code, into: &response)
        writer.appendFingerprint(into: &response)
        return bounded(.rejected(code), from: start, requestSize, response: &response)
    }

    /// Rejects an authenticated request.
    private mutating func reject(
        _ message: STUNMessage, _ code: STUNErrorCode, _ key: [UInt8], _ requestSize: Int, response: inout [UInt8]
    ) -> ICEEvent {
        let start = response.count
        let writer = STUNWriter(.error, transactionID: message.transactionID, into: &response)
        writer.append(code, into: &response)
        if code == .unknownAttribute { writer.append(unknownAttributesOf: message, into: &response) }
        finish(writer, like: message, key, into: &response)
        return bounded(.rejected(code), from: start, requestSize, response: &response)
    }

    private func bounded(
        _ event: ICEEvent, from start: Int, _ requestSize: Int, response: inout [UInt8]
    ) -> ICEEvent {
        guard 2 * (response.count - start) > 3 * requestSize else { return event }
        response.removeSubrange(start...)
        return .ignored(.amplification)
    }

    /// Authenticates a response with the kind of integrity its request had.
    private func finish(
        _ writer: STUNWriter, like request: STUNMessage, _ key: [UInt8], into response: inout [UInt8]
    ) {
        if request.messageIntegritySHA256 != nil {
            writer.appendIntegritySHA256(key: key, authentication, into: &response)
        } else {
            writer.appendIntegrity(key: key, authentication, into: &response)
        }
        writer.appendFingerprint(into: &response)
    }
}
