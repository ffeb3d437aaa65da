import COpenSSL
import TestKit
import Testing
import Wire

@testable import Secure

/// The server against clients that do what our own endpoint would not.
@Suite struct DTLSInteroperabilityTests {
    @Test(arguments: [1200, 256])
    func fragmentedHelloInAnyOrderIsUnderstood(_ mtu: Int) throws {
        for arrangement in 0..<5 {
            let client = try client(mtu: mtu, paddedBy: 1206)
            let server = try server()
            let fragments = SystemClock.at(.seconds(1)) { client.datagrams() }
            #expect(fragments.count > 1)
            var arriving = fragments
            switch arrangement {
            case 1: arriving.reverse()
            case 2: arriving = fragments.flatMap { [$0, $0] }
            case 3: arriving = fragments.reversed() + fragments
            case 4:
                // The first half of one transmission, the second half of the next.
                let retransmitted = SystemClock.at(.seconds(3)) { client.retransmit() }
                arriving = Array(fragments[..<(fragments.count / 2)] + retransmitted[(fragments.count / 2)...])
            default: break
            }
            client.converse(with: server, first: arriving)
            #expect(server.state == .connected && client.isConnected, "arrangement \(arrangement)")
            #expect(server.takeKeys() != nil)
        }
    }

    @Test func aBadHelloDoesNotSpoilTheGoodOne() throws {
        let server = try server()
        for expected in 1...3 {
            let bad = try RawDTLSClient { $0.setCiphers("AES128-GCM-SHA256") }
            bad.converse(with: server)
            #expect(server.state == .handshaking && server.restarts == expected)
        }
        let good = try client()
        good.converse(with: server)
        #expect(server.state == .connected && good.isConnected)
    }

    @Test func theFourthBadHelloEndsTheSession() throws {
        let server = try server()
        for _ in 0..<3 {
            try RawDTLSClient { $0.setCiphers("AES128-GCM-SHA256") }.converse(with: server)
        }
        let last = try RawDTLSClient { $0.setCiphers("AES128-GCM-SHA256") }
        for hello in last.datagrams() { hello.withBytes { server.received($0, at: .seconds(1)) } }
        guard case .failed(.handshake) = server.state else {
            Issue.record("state \(server.state)")
            return
        }
        var alert: [UInt8] = []
        server.drainDatagrams { alert = $0.array }
        #expect(alert.first == 21, "the last failure is told")
    }

    @Test func oldVersionsAreRefused() throws {
        let server = try server()
        let old = try client { $0.setDTLS10() }
        old.converse(with: server)
        #expect(server.state != .connected && !old.isConnected)
    }

    @Test(arguments: [
        ("ECDHE-ECDSA-AES128-GCM-SHA256", true), ("ECDHE-ECDSA-AES256-GCM-SHA384", true),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", true), ("ECDHE-ECDSA-AES128-SHA", false), ("AES128-GCM-SHA256", false),
        ("DHE-RSA-AES128-GCM-SHA256", false),
    ])
    func onlyForwardSecretSuitesAreAccepted(_ suite: String, _ connects: Bool) throws {
        let server = try server()
        let client = try client { $0.setCiphers(suite) }
        client.converse(with: server)
        #expect(client.isConnected == connects)
    }

    @Test(arguments: [("X25519:P-256", true), ("P-384:P-256", true), ("P-256", true), ("P-521", false)])
    func curvesAreThoseOfBrowsers(_ curve: String, _ connects: Bool) throws {
        let server = try server()
        let client = try client { $0.setGroups(curve) }
        client.converse(with: server)
        #expect(client.isConnected == connects)
    }

    @Test func aClientWithoutACertificateIsRefused() throws {
        let server = try server()
        let client = try RawDTLSClient()
        client.converse(with: server)
        guard case .failed(.handshake) = server.state else {
            Issue.record("state \(server.state)")
            return
        }
        #expect(server.takeKeys() == nil && !client.isConnected)
    }

    @Test func aSecondHelloAfterConnectingIsIgnored() throws {
        let server = try server()
        try client().converse(with: server)
        #expect(server.state == .connected)
        let second = try client()
        for hello in second.datagrams() { hello.withBytes { server.received($0, at: .seconds(2)) } }
        var answers = 0
        server.drainDatagrams { _ in answers += 1 }
        #expect(server.state == .connected && answers == 0)
    }

    @Test func renegotiationIsRefused() throws {
        let server = try server()
        let client = try client()
        client.converse(with: server)
        unsafe SSL_renegotiate(client.ssl)
        client.converse(with: server)
        #expect(server.state == .failed(.alert(40)), "the client gives up; OpenSSL's answer was a warning")
    }

    @Test func aMegabyteOfApplicationDataChangesNothing() throws {
        let server = try server()
        let client = try client()
        client.converse(with: server)
        let kilobyte = [UInt8](repeating: 1, count: 1024)
        for _ in 0..<1024 {
            for datagram in client.write(kilobyte) { datagram.withBytes { server.received($0, at: .seconds(2)) } }
        }
        var answers = 0
        server.drainDatagrams { _ in answers += 1 }
        #expect(server.state == .connected && answers == 0)
    }

    @Test(arguments: ["P-256", "P-384", "RSA-2048"], [true, false])
    func everyUsualCertificateIsAccepted(_ kind: String, _ isClient: Bool) throws {
        let key =
            switch kind {
            case "RSA-2048": unsafe try #require(COpenSSL_RSA_generate(2048))
            default: unsafe try #require(COpenSSL_EC_generate(kind))
            }
        let identity = unsafe try DTLSIdentity(takingKey: key)
        let network = try DTLSNetwork(
            clientIdentity: isClient ? identity : nil, serverIdentity: isClient ? nil : identity)
        let keys = try network.connect()
        #expect(keys.client.mirrors(keys.server))
    }

    @Test(arguments: [256, 600, 1200])
    func noDatagramExceedsTheMTUEvenWithALongChain(_ mtu: Int) throws {
        let identity = unsafe try DTLSIdentity(takingKey: try #require(COpenSSL_RSA_generate(4096)))
        for _ in 0..<2 {
            _ = unsafe COpenSSL_SSL_CTX_add1_chain_cert(identity.context, identity.certificate())
        }
        let network = try DTLSNetwork(clientIdentity: identity, serverIdentity: identity, mtu: mtu)
        let keys = try network.connect()
        #expect(keys.client.mirrors(keys.server))
        #expect(network.largestDatagram <= mtu && network.largestDatagram > mtu / 2)
        #expect(network.sent.count > 2 * 3000 / mtu)
    }

    @Test func theCertificateIsWhatOldPeersNeed() throws {
        let identity = try DTLSIdentity.generate()
        let certificate = unsafe identity.certificate()
        let subject = unsafe X509_get_subject_name(certificate)
        let issuer = unsafe X509_get_issuer_name(certificate)
        #expect(unsafe X509_NAME_entry_count(subject) > 0)
        #expect(unsafe X509_NAME_entry_count(issuer) > 0)
        #expect(unsafe X509_get_signature_nid(certificate) == NID_ecdsa_with_SHA256)
        #expect(unsafe X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0)
        #expect(unsafe X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0)
        #expect(identity.fingerprintSHA256.count == 32)
        #expect(try DTLSIdentity.generate().fingerprintSHA256 != identity.fingerprintSHA256)
    }

    /// A client with the certificate that ``server()`` expects.
    private func client(
        mtu: Int = 1200, paddedBy padding: Int = 0, _ configure: (RawContext) -> Void = { _ in }
    ) throws -> RawDTLSClient {
        try RawDTLSClient(mtu: mtu, paddedBy: padding, identity: Identities.first, configure)
    }

    private func server() throws -> DTLSEndpoint {
        let server = DTLSEndpoint(
            identity: try Identities.second, role: .server, remoteFingerprints: [try Identities.first.fingerprint()])
        server.start(at: .seconds(1))
        return server
    }
}
