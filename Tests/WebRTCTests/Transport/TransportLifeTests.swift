import ICE
import Secure
import TestKit
import Testing
import Wire

@testable import WebRTC

@Suite struct TransportLifeTests {
    @Test func aSessionNobodyChecksEndsAfterThirtySeconds() throws {
        let pair = try TransportPair()
        pair.run(milliseconds: 29_900)
        #expect(!pair.engine.isClosed)
        pair.run(milliseconds: 200)
        #expect(pair.closeReason == .neverConnected)
        #expect(pair.engine.nextDeadline == nil)
        #expect(pair.sent.isEmpty)
    }

    @Test func aClientThatOnlyChecksEndsWhenItsHandshakeTimesOut() throws {
        let pair = try TransportPair()
        // Nothing reaches the client's DTLS endpoint.
        pair.client.port = 1
        for _ in 0..<40 where !pair.engine.isClosed {
            pair.inject(pair.client.check(nominating: true), port: 40_000)
            pair.run(milliseconds: 1_000)
        }
        #expect(pair.closeReason == .handshakeFailed(.timedOut))
        #expect(pair.elapsedMilliseconds <= 31_000)
    }

    @Test func lostConsentStopsOutputAtOnceAndClosesAfterTheGrace() throws {
        let pair = try TransportPair()
        pair.client.renewsConsent = false
        try pair.connect()
        pair.run(milliseconds: 14_000)
        #expect(pair.sendMedia(1))
        pair.run(milliseconds: 1_500)
        #expect(pair.engine.selectedTuple == nil)
        #expect(!pair.sendMedia(2))
        let count = pair.sent.count
        #expect(!pair.engine.isClosed)
        pair.run(milliseconds: 14_000)
        #expect(!pair.engine.isClosed)
        pair.run(milliseconds: 2_000)
        #expect(pair.closeReason == .consentLost)
        #expect(pair.sent.count == count, "nothing goes to an address that may be another's by now")
    }

    @Test func nothingIsSentToAnAddressWhoseConsentIsLostBeforeTheHandshakeIsOver() throws {
        // As DTLS client the engine repeats its hello; a peer that vanished must not be fed for ever (ICE-28).
        var setup = TransportPair.Setup()
        setup.role = .client
        let pair = try TransportPair(setup)
        pair.client.port = 1
        pair.inject(pair.client.check(nominating: true), port: 40_000)
        pair.run(milliseconds: 14_900)
        #expect(pair.engine.selectedTuple != nil)
        pair.run(milliseconds: 200)
        #expect(pair.engine.selectedTuple == nil)
        let count = pair.sent.count
        #expect(count > 3)
        pair.run(milliseconds: 14_000)
        #expect(pair.sent.count == count)
    }

    @Test func aServerThatClosesASilentSessionSendsItNothing() throws {
        let pair = try TransportPair()
        pair.client.renewsConsent = false
        try pair.connect()
        pair.run(milliseconds: 16_000)
        #expect(pair.engine.selectedTuple == nil)
        let count = pair.sent.count
        pair.engine.close()
        pair.collect()
        #expect(pair.sent.count == count)
        #expect(pair.closeReason == .closedLocally)
    }

    @Test func mediaAloneKeepsConsent() throws {
        let pair = try TransportPair()
        pair.client.renewsConsent = false
        try pair.connect()
        for number in 0..<30 {
            pair.client.send(pair.client.protected(rtp: TestClient.packet(sequenceNumber: UInt16(number))))
            pair.run(milliseconds: 2_000)
        }
        #expect(pair.engine.isConnected)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(40_000))
        #expect(pair.plaintext.count == 30)
    }

    @Test func consentComesBackWithinTheGrace() throws {
        let pair = try TransportPair()
        pair.client.renewsConsent = false
        try pair.connect()
        pair.run(milliseconds: 20_000)
        #expect(!pair.sendMedia(1))
        pair.client.send(pair.client.check(nominating: true))
        pair.run(milliseconds: 50)
        #expect(pair.sendMedia(2))
        pair.run(milliseconds: 50)
        #expect(pair.client.receivedRTP.count == 1)
        #expect(pair.closeReason == nil)
    }

    @Test func aRebindingMovesMediaWithTheNextNomination() throws {
        let pair = try TransportPair()
        try pair.connect()
        pair.client.port = 50_000
        // Media from the new port is nobody's before a check has proved it.
        pair.client.send(pair.client.protected(rtp: TestClient.packet(sequenceNumber: 1)))
        pair.run(milliseconds: 50)
        #expect(pair.plaintext.isEmpty)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(40_000))
        pair.client.send(pair.client.check(nominating: true))
        pair.client.send(pair.client.protected(rtp: TestClient.packet(sequenceNumber: 2)))
        pair.run(milliseconds: 50)
        #expect(pair.engine.selectedTuple == TransportPair.tuple(50_000))
        #expect(pair.events.last == .selected(TransportPair.tuple(50_000)))
        #expect(pair.plaintext.count == 1)
        #expect(pair.sendMedia(3))
        pair.run(milliseconds: 50)
        #expect(pair.client.receivedRTP.count == 1)
    }

    @Test func closingTellsThePeerAtOnce() throws {
        let pair = try TransportPair()
        try pair.connect()
        pair.engine.close()
        #expect(pair.engine.isClosed)
        #expect(pair.engine.nextDeadline == nil)
        pair.run(milliseconds: 50)
        #expect(pair.client.dtls.state == .closed)
        #expect(pair.closeReason == .closedLocally)
        #expect(pair.events.contains(.tupleRemoved(TransportPair.tuple(40_000))))
        #expect(!pair.sendMedia(1))
        // Twice is fine, and nothing is heard any more.
        pair.engine.close()
        pair.inject(pair.client.check(nominating: true), port: 40_000)
        #expect(pair.events.count { $0 == .closed(.closedLocally) } == 1)
    }

    @Test func thePeersCloseEndsTheSession() throws {
        let pair = try TransportPair()
        try pair.connect()
        pair.client.dtls.close()
        pair.client.drainDTLS()
        pair.run(milliseconds: 50)
        #expect(pair.closeReason == .closedByPeer)
        #expect(!pair.engine.isConnected)
    }

    @Test func closingBeforeAnybodyCameSendsNothing() throws {
        let pair = try TransportPair()
        pair.engine.close()
        pair.collect()
        #expect(pair.sent.isEmpty)
        #expect(pair.events == [.closed(.closedLocally)])
    }

    @Test(arguments: [
        TransportCloseReason.neverConnected, .handshakeFailed(.timedOut), .consentLost, .closedByPeer, .closedLocally,
    ])
    func everyReasonExplainsItself(_ reason: TransportCloseReason) {
        #expect(reason.explanation.count > 15)
        #expect(!reason.code.isEmpty && reason.code.allSatisfy { $0.isLowercase || $0 == "_" })
    }
}
