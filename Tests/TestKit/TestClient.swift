package import ICE
import RTP
package import Secure
package import Wire

/// The other end of a transport, as a browser is one: controlling ICE agent, DTLS client or server, SRTP both ways.
///
/// Everything it sends is left in ``outbox`` with the port it was sent from.
package final class TestClient {
    package static let credentials = ICECredentials(ufrag: "cli1", password: "passwordOfTheTestClient+01")
    /// How often an unanswered check is repeated, and how often consent is renewed.
    package static let checkMilliseconds: UInt64 = 100
    package var consentMilliseconds: UInt64 = 5_000

    package let dtls: DTLSEndpoint
    package var remote: ICECredentials
    /// Its own; a restart changes them.
    package var local = TestClient.credentials
    /// The port the client sends from; a NAT that rebinds changes it.
    package var port: UInt16 = 40_000
    package var renewsConsent = true
    package var nominates = true
    package var outbox: [(port: UInt16, datagram: [UInt8])] = []

    package private(set) var isValidated = false
    package private(set) var profile: SRTPProfile?
    package private(set) var receivedRTP: [[UInt8]] = []
    package private(set) var receivedRTCP: [[UInt8]] = []
    package private(set) var responses = 0
    /// Whether it answers checks of the server, as full agents do, and how many it got.
    package var answersChecks = true
    package private(set) var requests = 0
    private var transaction: UInt64 = 0
    private var nextCheck: Instant?
    private var srtpIn: SRTPReceiver?
    private var srtpOut: SRTPSender?
    private var srtcpIn: SRTCPReceiver?
    private var srtcpOut: SRTCPSender?

    package init(
        identity: DTLSIdentity, role: DTLSEndpoint.Role, remoteFingerprint: CertificateFingerprint,
        profiles: [SRTPProfile] = SRTPProfile.preferred, remote: ICECredentials
    ) {
        self.remote = remote
        dtls = DTLSEndpoint(
            identity: identity, role: role, remoteFingerprints: [remoteFingerprint], profiles: profiles)
    }

    package var isConnected: Bool { srtpOut != nil }

    package func start(at now: Instant) { nextCheck = now }

    package var nextDeadline: Instant? { [nextCheck, dtls.nextDeadline].compactMap { $0 }.min() }

    package func deadlineReached(at now: Instant) {
        if let due = nextCheck, due <= now {
            send(check(nominating: nominates))
            scheduleCheck(at: now)
        }
        if let due = dtls.nextDeadline, due <= now {
            dtls.deadlineReached(at: now)
            drainDTLS()
        }
    }

    private func scheduleCheck(at now: Instant) {
        let wait = isValidated ? consentMilliseconds : Self.checkMilliseconds
        nextCheck = isValidated && !renewsConsent ? nil : now.advanced(byMilliseconds: wait)
    }

    package func received(_ datagram: [UInt8], at now: Instant) {
        switch datagram.withBytes({ DatagramKind($0) }) {
        case .stun:
            if datagram.first == 0 { return answer(datagram) }
            responses += 1
            guard datagram.first == 1, datagram.count > 1, datagram[1] == 1 else { return }
            if !isValidated {
                isValidated = true
                scheduleCheck(at: now)
            }
            dtls.start(at: now)
            drainDTLS()
        case .dtls:
            dtls.start(at: now)
            datagram.withBytes { dtls.received($0, at: now) }
            drainDTLS()
            takeKeys()
        case .rtp:
            if let plain = open(datagram, { packet in try? self.srtpIn?.unprotect(&packet) }) {
                receivedRTP.append(plain)
            }
        case .rtcp:
            if let plain = open(datagram, { packet in try? self.srtcpIn?.unprotect(&packet) }) {
                receivedRTCP.append(plain)
            }
        default: break
        }
    }

    /// What has been decrypted since the last call.
    package func takeReceived() -> (rtp: [[UInt8]], rtcp: [[UInt8]]) {
        defer {
            receivedRTP = []
            receivedRTCP = []
        }
        return (receivedRTP, receivedRTCP)
    }

    private func open(_ datagram: [UInt8], _ unprotect: (inout MutableRawSpan) -> Int?) -> [UInt8]? {
        var datagram = datagram
        guard let count = datagram.withMutableBytes(unprotect) else { return nil }
        return Array(datagram[..<count])
    }

    private func takeKeys() {
        guard let keys = dtls.takeKeys() else { return }
        profile = keys.profile
        srtpIn = try? SRTPReceiver(keys)
        srtpOut = try? SRTPSender(keys)
        srtcpIn = try? SRTCPReceiver(keys)
        srtcpOut = try? SRTCPSender(keys)
    }

    package func drainDTLS() { dtls.drainDatagrams { self.send($0.array) } }

    package func send(_ datagram: [UInt8]) { outbox.append((port, datagram)) }

    // MARK: what it sends

    package func check(nominating: Bool, password: String? = nil) -> [UInt8] {
        transaction += 1
        var output: [UInt8] = []
        let writer = STUNWriter(
            .request, transactionID: STUNTransactionID(high: 7, low: transaction), into: &output)
        writer.append(.username, Array("\(remote.ufrag):\(local.ufrag)".utf8), into: &output)
        writer.append(.iceControlling, integer: UInt64(1), into: &output)
        writer.append(.priority, integer: UInt32(0x6E00_01FF), into: &output)
        if nominating { writer.append(.useCandidate, [], into: &output) }
        writer.appendIntegrity(key: Array((password ?? remote.password).utf8), .test, into: &output)
        writer.appendFingerprint(into: &output)
        return output
    }

    private func answer(_ request: [UInt8]) {
        requests += 1
        var scratch: [UInt8] = []
        let key = Array(local.password.utf8)
        let id: STUNTransactionID? = request.withBytes { bytes in
            guard let message = try? STUNMessage(parsing: bytes), message.fingerprintIsValid(in: bytes),
                message.iceControlled != nil, message.priority != nil, let username = message.username,
                bytes.array(username) == Array("\(local.ufrag):\(remote.ufrag)".utf8),
                message.integrityIsValid(in: bytes, key: key, authentication: .test, scratch: &scratch)
            else { return nil }
            return message.transactionID
        }
        guard answersChecks, let id else { return }
        send(Self.answer(to: id, password: local.password))
    }

    /// An answer to a check of the server.
    package static func answer(to id: STUNTransactionID, password: String) -> [UInt8] {
        var output: [UInt8] = []
        let writer = STUNWriter(.success, transactionID: id, into: &output)
        writer.append(mappedAddress: SocketAddress(ipv4: 0xC000_0201, port: 8189), into: &output)
        writer.appendIntegrity(key: Array(password.utf8), .test, into: &output)
        writer.appendFingerprint(into: &output)
        return output
    }

    package func protected(rtp packet: [UInt8]) -> [UInt8] {
        .written(capacity: packet.count + SRTPProfile.maximumTagLength) { output in
            packet.withBytes { output.append(contentsOf: $0) }
            _ = srtpOut?.protect(&output)
        }
    }

    package func protected(rtcp packet: [UInt8]) -> [UInt8] {
        var packet = packet
        _ = srtcpOut?.protect(&packet)
        return packet
    }

    package static func packet(ssrc: UInt32 = 1_111, sequenceNumber: UInt16, payload: [UInt8] = [1, 2, 3, 4]) -> [UInt8]
    {
        .written(capacity: 12 + payload.count) { output in
            RTPHeader.append(
                payloadType: 96, marker: false, sequenceNumber: sequenceNumber, timestamp: 3_000, ssrc: ssrc,
                hasExtension: false, to: &output)
            payload.withBytes { output.append(contentsOf: $0) }
        }
    }

    package static let receiverReport: [UInt8] = {
        var report: [UInt8] = []
        RTCPWriter.appendReceiverReport(ssrc: 5, blocks: [], to: &report)
        return report
    }()
}

extension ICEAuthentication {
    static let test = ICEAuthentication(
        hmacSHA1: { key, message, code in key.withBytes { Digest.hmacSHA1(key: $0, message, into: &code) } },
        hmacSHA256: { key, message, code in key.withBytes { Digest.hmacSHA256(key: $0, message, into: &code) } })
}
