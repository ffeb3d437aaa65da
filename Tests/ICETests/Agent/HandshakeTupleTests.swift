import Testing
import Wire

@testable import ICE

@Suite struct HandshakeTupleTests {
    private var agent: ICELiteAgent {
        ICELiteAgent(
            local: Check.local, remote: Check.remote, authentication: ReferenceHash.authentication,
            startedAt: .seconds(100))
    }

    private func take(_ check: Check, _ port: UInt16, at now: Instant, _ agent: inout ICELiteAgent) {
        var response: [UInt8] = []
        _ = check.bytes.withBytes { agent.received($0, on: .port(port), at: now, response: &response) }
    }

    @Test func beforeASelectionItIsTheTupleHeardLast() {
        var agent = agent
        #expect(agent.handshakeTuple(at: .seconds(100)) == nil)
        take(Check(transaction: 1), 1, at: .seconds(100), &agent)
        #expect(agent.handshakeTuple(at: .seconds(100)) == .port(1))
        take(Check(transaction: 2), 2, at: .seconds(101), &agent)
        #expect(agent.handshakeTuple(at: .seconds(101)) == .port(2))
        take(Check(transaction: 3), 1, at: .seconds(102), &agent)
        #expect(agent.handshakeTuple(at: .seconds(102)) == .port(1))
        take(.nominating(4), 2, at: .seconds(103), &agent)
        take(Check(transaction: 5), 1, at: .seconds(104), &agent)
        #expect(agent.handshakeTuple(at: .seconds(104)) == .port(2))
    }

    @Test func nobodyIsSentAHandshakeWhoseConsentIsOver() {
        var agent = agent
        take(Check(transaction: 1), 1, at: .seconds(100), &agent)
        #expect(agent.handshakeTuple(at: .seconds(114)) == .port(1))
        #expect(agent.handshakeTuple(at: .seconds(115)) == nil)
        take(.nominating(2), 1, at: .seconds(116), &agent)
        #expect(agent.deadlineReached(at: .seconds(131)) == .consentLost)
        #expect(agent.handshakeTuple(at: .seconds(131)) == nil)
    }

    @Test func whenATupleWasHeardIsKnown() {
        var agent = agent
        #expect(agent.heard(on: .port(1)) == nil)
        take(Check(transaction: 1), 1, at: .seconds(100), &agent)
        #expect(agent.heard(on: .port(1)) == .seconds(100))
        agent.mediaReceived(on: .port(1), at: .seconds(105))
        #expect(agent.heard(on: .port(1)) == .seconds(105))
    }
}
