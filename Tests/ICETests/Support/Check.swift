import ICE
import Wire

/// A Binding request as a client would send it, each part changeable.
struct Check {
    enum Integrity { case sha1, sha256, both, none }

    static let local = ICECredentials(ufrag: "lite12345678", password: "thePasswordOfTheServer+/01")
    static let remote = ICECredentials(ufrag: "1Aci", password: "thePasswordOfTheClient+/01")

    var transaction: UInt64 = 1
    var username = "\(local.ufrag):\(remote.ufrag)"
    var password = local.password
    var hasPriority = true
    var hasControlling = true
    var hasControlled = false
    var useCandidate = false
    var nomination: UInt32?
    var integrity = Integrity.sha1
    var hasFingerprint = true
    var messageClass = STUNMessage.Class.request
    var method: UInt16 = 1
    /// Attributes put after USERNAME: type and value.
    var extra: [(UInt16, [UInt8])] = []

    static func nominating(_ transaction: UInt64) -> Check {
        Check(transaction: transaction, useCandidate: true)
    }

    var id: STUNTransactionID { STUNTransactionID(high: 0xB7E7_A701, low: transaction) }

    var bytes: [UInt8] {
        var output: [UInt8] = []
        let writer = STUNWriter(messageClass, method: method, transactionID: id, into: &output)
        writer.append(.username, Array(username.utf8), into: &output)
        for (type, value) in extra { writer.append(type, value, into: &output) }
        if hasControlling { writer.append(.iceControlling, integer: UInt64(0x1122_3344_5566_7788), into: &output) }
        if hasControlled { writer.append(.iceControlled, integer: UInt64(0x1122_3344_5566_7788), into: &output) }
        if useCandidate { writer.append(.useCandidate, [], into: &output) }
        if let nomination { writer.append(.nomination, integer: nomination, into: &output) }
        if hasPriority { writer.append(.priority, integer: UInt32(0x6E00_01FF), into: &output) }
        let key = Array(password.utf8)
        if integrity == .sha1 || integrity == .both {
            writer.appendIntegrity(key: key, ReferenceHash.authentication, into: &output)
        }
        if integrity == .sha256 || integrity == .both {
            writer.appendIntegritySHA256(key: key, ReferenceHash.authentication, into: &output)
        }
        if hasFingerprint { writer.appendFingerprint(into: &output) } else { writer.finish(&output) }
        return output
    }
}

extension TransportTuple {
    /// The client's port `port`, reached at one fixed local address.
    static func port(_ port: UInt16) -> TransportTuple {
        TransportTuple(
            local: SocketAddress(ipv4: 0xC000_0201, port: 8189), remote: SocketAddress(ipv4: 0xC633_6407, port: port))
    }
}

extension ICELiteAgent {
    static func make(
        startedAt: Instant = .seconds(0), limits: ICELimits = ICELimits(), checkSecret: [UInt8] = Array(1...32)
    ) -> ICELiteAgent {
        ICELiteAgent(
            local: Check.local, remote: Check.remote, authentication: ReferenceHash.authentication,
            startedAt: startedAt, limits: limits, checkSecret: checkSecret)
    }

    /// Gives the agent a datagram and returns what it did and answered.
    mutating func receive(
        _ bytes: [UInt8], on tuple: TransportTuple = .port(1000), at now: Instant = .seconds(0)
    ) -> (event: ICEEvent, response: [UInt8]) {
        var response: [UInt8] = []
        let event = bytes.withBytes { received($0, on: tuple, at: now, response: &response) }
        return (event, response)
    }

    mutating func receive(
        _ check: Check, on tuple: TransportTuple = .port(1000), at now: Instant = .seconds(0)
    ) -> (event: ICEEvent, response: [UInt8]) {
        receive(check.bytes, on: tuple, at: now)
    }
}

/// Whether `bytes` are an authentic response of the server.
func isAuthentic(_ bytes: [UInt8]) -> Bool {
    var scratch: [UInt8] = []
    return bytes.withBytes { datagram in
        guard let message = try? STUNMessage(parsing: datagram), message.fingerprint != nil else { return false }
        return message.fingerprintIsValid(in: datagram)
            && message.integrityIsValid(
                in: datagram, key: Array(Check.local.password.utf8), authentication: ReferenceHash.authentication,
                scratch: &scratch)
    }
}

func parsed(_ bytes: [UInt8]) throws(STUNError) -> STUNMessage {
    try bytes.withBytes { (datagram) throws(STUNError) in try STUNMessage(parsing: datagram) }
}
