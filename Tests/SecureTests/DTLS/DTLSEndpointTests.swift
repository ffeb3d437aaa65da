import COpenSSL
import TestKit
import Testing
import Wire

@testable import Secure

@Suite struct DTLSEndpointTests {
    @Test func bothRolesConnectAndMirrorTheirKeys() throws {
        let network = try DTLSNetwork()
        #expect(network.client.state == .idle && network.server.state == .idle)
        let keys = try network.connect()
        #expect(keys.client.mirrors(keys.server))
        #expect(keys.client.profile == .aeadAES128GCM)
        #expect(network.elapsedMilliseconds == 40, "four flights of 10 ms")
        #expect(network.client.takeKeys() == nil, "keys are handed out once")
        #expect(network.client.nextDeadline == nil && network.server.nextDeadline == nil)
    }

    @Test(arguments: SRTPProfile.allCases)
    func eachProfileCanBeForcedByTheClient(_ profile: SRTPProfile) throws {
        let network = try DTLSNetwork(clientProfiles: [profile], serverProfiles: SRTPProfile.allCases)
        let keys = try network.connect()
        #expect(keys.client.profile == profile && keys.client.mirrors(keys.server))

        let sender = try SRTPSender(keys.client)
        let receiver = try SRTPReceiver(keys.server)
        var batch = PacketBatch(byteCapacity: 64, packetCapacity: 1)
        var isProtected = false
        _ = batch.append(maximumSize: 40) { output in
            for byte: UInt8 in [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3] { output.append(byte) }
            isProtected = sender.protect(&output)
        }
        #expect(isProtected)
        #expect(batch.withMutablePacket(at: 0) { try? receiver.unprotect(&$0) } == 15)
    }

    @Test func theServersPreferenceDecides() throws {
        let network = try DTLSNetwork(
            clientProfiles: [.aes128CMSHA1_80, .aeadAES256GCM], serverProfiles: SRTPProfile.preferred)
        #expect(try network.connect().server.profile == .aeadAES256GCM)
    }

    @Test func withoutACommonProfileNobodyGetsKeys() throws {
        let network = try DTLSNetwork(clientProfiles: [.aes128CMSHA1_32])
        network.start()
        network.run { network.server.state != .handshaking }
        #expect(network.server.state == .failed(.noCommonProfile))
        network.run()
        #expect(network.client.state != .connected)
        #expect(network.server.takeKeys() == nil && network.client.takeKeys() == nil)
    }

    @Test(arguments: [DTLSEndpoint.Role.client, .server])
    func wrongFingerprintMeansNoKeys(_ role: DTLSEndpoint.Role) throws {
        let (client, server) = (try Identities.first, try Identities.second)
        let wrong = try #require(
            CertificateFingerprint(algorithm: .sha256, bytes: [UInt8](repeating: 7, count: 32)))
        let network = DTLSNetwork(
            client: DTLSEndpoint(
                identity: client, role: .client,
                remoteFingerprints: [role == .client ? wrong : try server.fingerprint()]),
            server: DTLSEndpoint(
                identity: server, role: .server,
                remoteFingerprints: [role == .server ? wrong : try client.fingerprint()]))
        network.start()
        network.run()
        let (deceived, other) = role == .client ? (network.client, network.server) : (network.server, network.client)
        #expect(deceived.state == .failed(.fingerprintMismatch))
        #expect(deceived.takeKeys() == nil)
        #expect(other.state == .closed, "the peer is told")
        #expect(other.takeKeys() == nil)
    }

    @Test func theStrongestPromisedFingerprintDecides() throws {
        let (client, server) = (try Identities.first, try Identities.second)
        let sha512 = try #require(
            CertificateFingerprint(algorithm: .sha512, bytes: unsafe fingerprint(of: client.certificate(), .sha512)))
        let wrong512 = try #require(
            CertificateFingerprint(algorithm: .sha512, bytes: [UInt8](repeating: 1, count: 64)))
        let rows: [([CertificateFingerprint], Bool)] = [
            ([try client.fingerprint(), sha512], true), ([wrong512, sha512], true),
            ([try client.fingerprint(), wrong512], false), ([], false),
        ]
        for (promised, connects) in rows {
            let network = DTLSNetwork(
                client: DTLSEndpoint(identity: client, role: .client, remoteFingerprints: [try server.fingerprint()]),
                server: DTLSEndpoint(identity: server, role: .server, remoteFingerprints: promised))
            network.start()
            network.run { network.server.state != .handshaking }
            #expect((network.server.state == .connected) == connects)
        }
    }

    @Test func closeReachesThePeerEvenWhenItsFirstCopyIsLost() throws {
        for closesClient in [true, false] {
            let network = try DTLSNetwork()
            _ = try network.connect()
            var isFirst = true
            network.fault = { _ in
                defer { isFirst = false }
                return isFirst ? [] : [0]
            }
            let (closing, other) = closesClient ? (network.client, network.server) : (network.server, network.client)
            closing.close()
            network.collect()
            network.run()
            #expect(closing.state == .closed && other.state == .closed)
            closing.close()
            network.collect()
            #expect(closing.nextDeadline == nil)
        }
    }

    @Test func closingBeforeTheHandshakeIsSilent() throws {
        let endpoint = DTLSEndpoint(identity: try Identities.first, role: .client, remoteFingerprints: [])
        endpoint.close()
        #expect(endpoint.state == .closed)
        endpoint.start(at: .seconds(1))
        var count = 0
        endpoint.drainDatagrams { _ in count += 1 }
        #expect(count == 0 && endpoint.state == .closed)
    }

    @Test func datagramsBeforeTheStartAreIgnored() throws {
        let server = DTLSEndpoint(
            identity: try Identities.second, role: .server, remoteFingerprints: [try Identities.first.fingerprint()])
        let client = try RawDTLSClient()
        for hello in client.datagrams() { hello.withBytes { server.received($0, at: .seconds(1)) } }
        #expect(server.state == .idle && server.nextDeadline == nil)
    }

    @Test func silenceEndsTheHandshakeAfterThirtySeconds() throws {
        let network = try DTLSNetwork()
        network.fault = { _ in [] }
        network.start()
        network.run(limitMilliseconds: 60_000)
        #expect(network.client.state == .failed(.timedOut) && network.server.state == .failed(.timedOut))
        #expect(network.elapsedMilliseconds == 30_000)
        let milliseconds = Set(network.sent.map { $0.at.milliseconds(since: .milliseconds(1000)) }).sorted()
        #expect(network.sent.count == 12 + 8, "in two copies from the fourth timeout on")
        #expect(milliseconds == [0, 100, 300, 700, 1500, 3100, 6300, 10_300, 14_300, 18_300, 22_300, 26_300])
    }

    @Test func aClockSetBackDoesNotOutliveTheLimit() throws {
        let endpoint = DTLSEndpoint(identity: try Identities.first, role: .client, remoteFingerprints: [])
        SystemClock.at(.seconds(5000)) { endpoint.start(at: .seconds(1)) }
        var now = Instant.seconds(1)
        var wakeups = 0
        while let next = SystemClock.at(.seconds(10), { endpoint.nextDeadline }), wakeups < 100 {
            now = next
            wakeups += 1
            SystemClock.at(.seconds(10)) { endpoint.deadlineReached(at: now) }
        }
        #expect(endpoint.state == .failed(.timedOut))
        #expect(now == .seconds(31) && wakeups < 20)
    }

    @Test func staleErrorsOfTheThreadChangeNothing() throws {
        let network = try DTLSNetwork()
        network.fault = { _ in
            // Leaves an entry in the thread's queue: no PEM begins here.
            let bio = unsafe BIO_new(BIO_s_mem())
            _ = unsafe PEM_read_bio_X509(bio, nil, nil, nil)
            unsafe BIO_free(bio)
            return [0]
        }
        let keys = try network.connect()
        #expect(keys.client.mirrors(keys.server))
    }

    @Test func hostileDatagramsNeverTrap() throws {
        var random = SplitMix64(seed: 11)
        let network = try DTLSNetwork()
        network.start()
        for round in 0..<3000 {
            var noise = random.bytes(Int(random.next() % 120))
            if noise.count > 13, round % 2 == 0 {
                // Looks like a record of the right version whose length fits.
                noise.replaceSubrange(
                    0..<13, with: [UInt8(20 + random.next() % 4), 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0])
                noise[12] = UInt8(noise.count - 13)
            }
            network.inject(noise, round % 3 == 0 ? .toClient : .toServer)
        }
        network.run(limitMilliseconds: 100)
        #expect(network.client.takeKeys() == nil || network.client.state == .connected)
    }

    @Test func fingerprintsAreReadAndWritten() throws {
        let text = "12:34:56:78:9A:BC:DE:F0" + String(repeating: ":00", count: 24)
        let parsed = try #require(CertificateFingerprint(name: "SHA-256", value: text.lowercased()))
        #expect(parsed.algorithm == .sha256 && parsed.bytes.starts(with: [0x12, 0x34, 0x56]))
        #expect(parsed.value == text)
        for bad in ["", ":", "12", text + ":00", String(text.dropLast()), text.replacing("9A", with: "+A")] {
            #expect(CertificateFingerprint(name: "sha-256", value: bad) == nil)
        }
        #expect(CertificateFingerprint(name: "sha-1", value: text) == nil)
        #expect(CertificateFingerprint(name: "sha-512", value: text) == nil)
    }
}

extension DTLSIdentity {
    /// Owned by the context.
    func certificate() -> OpaquePointer {
        unsafe SSL_CTX_get0_certificate(context)
    }
}
