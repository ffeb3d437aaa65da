import ICE
import Testing
import Wire

@Suite struct ConsentTests {
    private let first = TransportTuple.port(1000)
    private let second = TransportTuple.port(2000)

    @Test func silenceEndsConsent() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), at: .seconds(2))
        #expect(agent.nextDeadline == .seconds(17))
        #expect(agent.deadlineReached(at: .milliseconds(16_999)) == .wait)
        #expect(agent.selectedTuple != nil)
        #expect(agent.deadlineReached(at: .seconds(17)) == .consentLost)
        #expect(agent.selectedTuple == nil)
        #expect(agent.nextDeadline == .seconds(32))
        #expect(agent.deadlineReached(at: .milliseconds(31_999)) == .wait)
        #expect(agent.deadlineReached(at: .seconds(32)) == .expired)
        #expect(agent.nextDeadline == nil)
        #expect(agent.isClosed == true)
        #expect(agent.receive(.nominating(2), at: .seconds(33)).event == .ignored(.closed))
        #expect(agent.deadlineReached(at: .seconds(99)) == .wait)
    }

    @Test func checksKeepConsentAliveForHours() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(0))
        for second in stride(from: UInt64(5), to: 7200, by: 5) {
            _ = agent.receive(Check(transaction: second), at: .seconds(second))
            #expect(agent.deadlineReached(at: .seconds(second)) == .wait)
        }
        #expect(agent.selectedTuple == first)
    }

    @Test func mediaAloneKeepsConsentAlive() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(0))
        for second in 1..<60 as Range<UInt64> {
            agent.mediaReceived(on: first, at: .seconds(second))
            #expect(agent.deadlineReached(at: .seconds(second)) == .wait)
        }
        #expect(agent.deadlineReached(at: .seconds(74)) == .consentLost)
    }

    @Test func retransmissionsAndFailuresKeepNothingAlive() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(0))
        for second in 1..<15 as Range<UInt64> {
            _ = agent.receive(.nominating(0), at: .seconds(second))
            _ = agent.receive(Check(transaction: second, password: "guess"), at: .seconds(second))
            agent.mediaReceived(on: .port(4000), at: .seconds(second))
        }
        #expect(agent.deadlineReached(at: .seconds(15)) == .consentLost)
    }

    @Test func aSilentTupleHandsOverToOneThatConsents() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first, at: .seconds(0))
        _ = agent.receive(Check(transaction: 2), on: second, at: .seconds(10))
        #expect(agent.deadlineReached(at: .seconds(15)) == .moved(second))
        #expect(agent.selectedTuple == second)
        #expect(agent.nextDeadline == .seconds(25))
        #expect(agent.deadlineReached(at: .seconds(25)) == .consentLost)
    }

    @Test func aCheckOnTheLostTupleRevivesTheSession() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), at: .seconds(0))
        _ = agent.deadlineReached(at: .seconds(15))
        let (event, _) = agent.receive(Check(transaction: 2), at: .seconds(20))
        #expect(event == .answered(added: false, selectionChanged: true, evicted: nil))
        #expect(agent.selectedTuple == first)
        #expect(agent.nextDeadline == .seconds(35))
    }

    @Test func aPlainCheckElsewhereDoesNotReviveTheSession() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first, at: .seconds(0))
        _ = agent.deadlineReached(at: .seconds(15))
        _ = agent.receive(Check(transaction: 2), on: second, at: .seconds(20))
        #expect(agent.selectedTuple == nil)
        _ = agent.receive(.nominating(3), on: second, at: .seconds(21))
        #expect(agent.selectedTuple == second)
    }

    @Test func mediaOnTheLostTupleRevivesTheSession() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first, at: .seconds(0))
        _ = agent.receive(Check(transaction: 2), on: second, at: .seconds(0))
        _ = agent.deadlineReached(at: .seconds(15))
        let elsewhere = agent.mediaReceived(on: second, at: .seconds(16))
        #expect(!elsewhere)
        let revived = agent.mediaReceived(on: first, at: .seconds(16))
        #expect(revived)
        #expect(agent.selectedTuple == first)
        #expect(agent.nextDeadline == .seconds(31))
    }

    @Test func aSessionWithoutAPathEndsAfterThirtySeconds() {
        var agent = ICELiteAgent.make(startedAt: .seconds(100))
        #expect(agent.nextDeadline == .seconds(130))
        _ = agent.receive(Check(), at: .seconds(110))
        #expect(agent.deadlineReached(at: .milliseconds(129_999)) == .wait)
        #expect(agent.deadlineReached(at: .seconds(130)) == .neverConnected)
        #expect(agent.isClosed == true)
        #expect(agent.isValidated(first) == false)
    }

    @Test(arguments: [(0, 10), (10, 10), (15, 15), (30, 30), (60, 60), (3600, 60)] as [(UInt64, UInt64)])
    func theConsentTimeIsBetweenTenAndSixtySeconds(_ wanted: UInt64, _ given: UInt64) {
        var limits = ICELimits()
        limits.consentSeconds = wanted
        #expect(limits == ICELimits(consentSeconds: wanted))
        var agent = ICELiteAgent.make(limits: limits)
        _ = agent.receive(.nominating(1))
        #expect(agent.nextDeadline == .seconds(given))
    }

    @Test func aClosedAgentIsInert() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first)
        agent.close()
        #expect(agent.selectedTuple == nil)
        #expect(agent.nextDeadline == nil)
        #expect(agent.isValidated(first) == false)
        #expect(agent.secureDatagramReceived(on: first, at: .seconds(1)) == false)
        #expect(agent.tupleClosed(first, at: .seconds(1)) == .wait)
    }

    @Test func timeThatStepsBackDoesNotShortenConsent() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), at: .seconds(20))
        agent.mediaReceived(on: first, at: .seconds(10))
        #expect(agent.nextDeadline == .seconds(35))
    }
}
