import ICE
import Secure
import TestKit
import Testing
import Wire

@testable import WebRTC

@Suite struct TransportConnectTests {
    struct Case: CustomTestStringConvertible {
        var role: DTLSRole
        var profile: SRTPProfile
        var testDescription: String { "\(role) \(profile)" }
        static let all = [DTLSRole.server, .client].flatMap { role in
            SRTPProfile.preferred.map { Case(role: role, profile: $0) }
        }
    }

    @Test(arguments: Case.all)
    func connectsInBothRolesAndCarriesMediaBothWays(_ example: Case) throws {
        var setup = TransportPair.Setup()
        setup.role = example.role
        setup.clientProfiles = [example.profile]
        let pair = try TransportPair(setup)
        try pair.connect()
        #expect(pair.client.profile == example.profile)
        #expect(pair.events.contains(.connected(example.profile)))
        #expect(pair.events.contains(.tupleAdded(TransportPair.tuple(40_000))))
        #expect(pair.events.contains(.selected(TransportPair.tuple(40_000))))
        #expect(pair.elapsedMilliseconds < 200)
        #expect(pair.largestSent <= 1_200)

        let packet = TestClient.packet(sequenceNumber: 1)
        pair.client.send(pair.client.protected(rtp: packet))
        pair.client.send(pair.client.protected(rtcp: TestClient.receiverReport))
        #expect(pair.sendMedia(7))
        pair.run(milliseconds: 50)
        #expect(pair.plaintext == [packet, TestClient.receiverReport])
        #expect(pair.client.receivedRTP == [TestClient.packet(ssrc: 9, sequenceNumber: 7)])

        var report = TestClient.receiverReport
        #expect(pair.engine.protectControl(&report))
        pair.network.send(report, to: .client(port: 40_000), at: pair.now)
        pair.run(milliseconds: 50)
        #expect(pair.client.receivedRTCP == [TestClient.receiverReport])
    }

    @Test(arguments: [(10, 5_000), (30, 20_000)], [DTLSRole.server, .client])
    func connectsThroughLossDuplicatesAndReordering(_ example: (percent: Int, milliseconds: Int), _ role: DTLSRole)
        throws
    {
        var slowest: Int64 = 0
        for seed in 1...12 {
            var setup = TransportPair.Setup()
            setup.role = role
            setup.conditions = .bad(loss: Double(example.percent) / 100)
            setup.seed = UInt64(seed)
            let pair = try TransportPair(setup)
            try pair.connect()
            slowest = max(slowest, pair.elapsedMilliseconds)
        }
        #expect(slowest < example.milliseconds, "slowest of 12: \(slowest) ms")
    }

    @Test func handshakeFromAnUnvalidatedTupleIsIgnored() throws {
        let pair = try TransportPair()
        // Somebody else's ClientHello, and the right client's before its first check.
        let attacker = DTLSEndpoint(
            identity: try TestIdentities.server, role: .client, remoteFingerprints: [],
            profiles: SRTPProfile.preferred)
        attacker.start(at: pair.now)
        var hellos: [[UInt8]] = []
        attacker.drainDatagrams { hellos.append($0.array) }
        #expect(!hellos.isEmpty)
        for hello in hellos { #expect(pair.inject(hello, port: 6_666) == .consumed) }
        #expect(pair.sent.isEmpty)
        #expect(pair.engine.drops.unvalidatedTuple == hellos.count)
        try pair.connect()
        for hello in hellos { pair.inject(hello, port: 6_666) }
        #expect(pair.engine.isConnected)
        #expect(pair.sent.allSatisfy { $0.port == 40_000 })
    }

    @Test func wrongFingerprintGivesNoKeys() throws {
        var setup = TransportPair.Setup()
        setup.promisedFingerprint = CertificateFingerprint(
            algorithm: .sha256, bytes: Array(repeating: 0xAB, count: 32))
        let pair = try TransportPair(setup)
        pair.client.start(at: pair.now)
        pair.run(milliseconds: 5_000) { pair.engine.isClosed }
        #expect(pair.closeReason == .handshakeFailed(.fingerprintMismatch))
        #expect(!pair.engine.isConnected)
        #expect(pair.engine.selectedTuple == nil)
        // The client had finished; what it sends now is nobody's.
        pair.client.send(pair.client.protected(rtp: TestClient.packet(sequenceNumber: 1)))
        pair.run(milliseconds: 100)
        #expect(pair.plaintext.isEmpty)
        #expect(pair.events.last == .closed(.handshakeFailed(.fingerprintMismatch)))
        #expect(pair.events.contains(.tupleRemoved(TransportPair.tuple(40_000))))
    }

    @Test func aSecondClientHelloChangesNothing() throws {
        let pair = try TransportPair()
        try pair.connect()
        let again = DTLSEndpoint(
            identity: try TestIdentities.client, role: .client,
            remoteFingerprints: [try TestIdentities.server.fingerprint()], profiles: SRTPProfile.preferred)
        again.start(at: pair.now)
        var hellos: [[UInt8]] = []
        again.drainDatagrams { hellos.append($0.array) }
        for hello in hellos { pair.inject(hello, port: 40_000) }
        #expect(pair.engine.isConnected)
        let packet = TestClient.packet(sequenceNumber: 2)
        pair.client.send(pair.client.protected(rtp: packet))
        pair.run(milliseconds: 50)
        #expect(pair.plaintext == [packet])
        #expect(pair.sendMedia(3))
    }

    @Test func mediaBeforeTheKeysIsDroppedAndCounted() throws {
        let pair = try TransportPair()
        pair.inject(pair.client.check(nominating: true), port: 40_000)
        pair.inject(TestClient.packet(sequenceNumber: 1) + Array(repeating: 0, count: 16), port: 40_000)
        pair.inject(TestClient.receiverReport + Array(repeating: 0, count: 20), port: 40_000)
        #expect(pair.engine.drops.beforeKeys == 2)
        #expect(pair.plaintext.isEmpty)
        try pair.connect()
    }

    @Test func aNewHandshakeSelectsItsTupleBeforeAnyNomination() throws {
        let pair = try TransportPair()
        pair.client.nominates = false
        try pair.connect()
        #expect(pair.engine.selectedTuple == TransportPair.tuple(40_000))
    }
}
