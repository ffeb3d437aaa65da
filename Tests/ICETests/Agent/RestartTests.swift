import ICE
import Testing
import Wire

/// ICE restart of a lite agent (RFC 8445, section 9; ICE-29).
@Suite struct RestartTests {
    private static let local = ICECredentials(ufrag: "lite22222222", password: "theSecondPasswordOfTheServer")
    private static let remote = ICECredentials(ufrag: "2Bdj", password: "theSecondPasswordOfTheClient")
    private let first = TransportTuple.port(1000)
    private let second = TransportTuple.port(2000)

    private static func check(_ transaction: UInt64, nominating: Bool = false, nomination: UInt32? = nil) -> Check {
        Check(
            transaction: transaction, username: "\(local.ufrag):\(remote.ufrag)", password: local.password,
            useCandidate: nominating, nomination: nomination)
    }

    private static func restarting() -> ICELiteAgent {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: .port(1000))
        agent.restart(local: local, remote: remote, at: .seconds(1))
        return agent
    }

    @Test func earlierCredentialsWorkUntilTheFirstCheckWithTheNewOnes() {
        var agent = Self.restarting()
        #expect(agent.isRestarting == true)
        let old = agent.receive(.nominating(2), on: first, at: .seconds(2))
        #expect(old.event == .answered(added: false, selectionChanged: false, evicted: nil))
        #expect(agent.isRestarting && agent.local == Check.local)

        let new = agent.receive(Self.check(3), on: second, at: .seconds(3))
        #expect(new.event == .answered(added: true, selectionChanged: false, evicted: nil))
        #expect(!agent.isRestarting && agent.local == Self.local)
        #expect(agent.statistics.restarts == 1)
        let late = agent.receive(.nominating(4), on: first, at: .seconds(4))
        #expect(late.event == .ignored(.username))
        #expect(late.response.isEmpty)
    }

    /// Media stays where it is until the peer nominates in the new generation.
    @Test func theSelectedTupleStaysUntilTheNewGenerationNominates() {
        var agent = Self.restarting()
        _ = agent.receive(Self.check(2), on: second, at: .seconds(2))
        #expect(agent.selectedTuple == first)
        #expect(agent.isValidated(first) == true)
        _ = agent.receive(Self.check(3, nominating: true), on: second, at: .seconds(3))
        #expect(agent.selectedTuple == second)
        #expect(agent.isValidated(first) == true, "what is still on its way from there is taken")
    }

    /// WHIP-29: a restart that comes to nothing changes nothing.
    @Test func aRestartNobodyFollowsChangesNothing() {
        var agent = Self.restarting()
        let deadline = agent.nextDeadline
        for second in 2...20 as ClosedRange<UInt64> {
            let (event, _) = agent.receive(.nominating(second), on: first, at: .seconds(second))
            #expect(event == .answered(added: false, selectionChanged: false, evicted: nil))
            #expect(agent.deadlineReached(at: .seconds(second)) == .wait)
        }
        #expect(deadline == .seconds(15))
        #expect(agent.nextDeadline == .seconds(35))
        #expect(agent.selectedTuple == first)
        #expect(agent.statistics.restarts == 0)
    }

    @Test func aSecondRestartReplacesTheFirst() {
        var agent = Self.restarting()
        let third = ICECredentials(ufrag: "lite33333333", password: "theThirdPasswordOfTheServer")
        agent.restart(local: third, remote: Self.remote, at: .seconds(2))
        #expect(agent.receive(Self.check(2), on: second, at: .seconds(3)).event == .ignored(.username))
        #expect(agent.isRestarting == true)
        let check = Check(
            transaction: 3, username: "\(third.ufrag):\(Self.remote.ufrag)", password: third.password)
        let (event, _) = agent.receive(check, on: second, at: .seconds(3))
        #expect(event == .answered(added: true, selectionChanged: false, evicted: nil))
        #expect(agent.isRestarting == false)
    }

    @Test(arguments: ["2Bdk", "1Aci", ""])
    func theNewGenerationHasANewPeerToo(_ ufrag: String) {
        var agent = Self.restarting()
        var check = Self.check(2, nominating: true)
        check.username = "\(Self.local.ufrag):\(ufrag)"
        #expect(agent.receive(check, on: second).event == .rejected(.unauthenticated))
        #expect(agent.isRestarting == true)
    }

    @Test func credentialsOfTwoGenerationsDoNotMix() {
        var agent = Self.restarting()
        var check = Self.check(2, nominating: true)
        check.password = Check.local.password
        #expect(agent.receive(check, on: second).event == .rejected(.unauthenticated))
        var old = Check.nominating(3)
        old.password = Self.local.password
        #expect(agent.receive(old, on: second).event == .rejected(.unauthenticated))
        #expect(agent.isRestarting == true)
        #expect(agent.validatedTuples == [first])
    }

    /// A request that is proved but refused begins nothing either.
    @Test func aRoleConflictCompletesNoRestart() {
        var agent = Self.restarting()
        var check = Self.check(2, nominating: true)
        check.hasControlling = false
        check.hasControlled = true
        #expect(agent.receive(check, on: second).event == .rejected(.roleConflict))
        #expect(agent.isRestarting == true)
    }

    /// Chrome's counter of nominations may begin anew.
    @Test func nominationValuesOfTheEarlierGenerationDoNotCount() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(Check(transaction: 1, nomination: 900), on: first)
        agent.restart(local: Self.local, remote: Self.remote, at: .seconds(1))
        _ = agent.receive(Self.check(2, nomination: 1), on: second)
        #expect(agent.selectedTuple == second)
    }

    /// A client that lost its network comes back by a restart, and gets the grace anew for it.
    @Test func aRestartExtendsTheGraceOfALostSession() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first)
        #expect(agent.deadlineReached(at: .seconds(15)) == .consentLost)
        agent.restart(local: Self.local, remote: Self.remote, at: .seconds(29))
        #expect(agent.deadlineReached(at: .seconds(30)) == .wait)
        #expect(agent.selectedTuple == nil, "a restart alone is no consent")
        _ = agent.receive(Self.check(2, nominating: true), on: second, at: .seconds(31))
        #expect(agent.selectedTuple == second)
        #expect(agent.deadlineReached(at: .seconds(45)) == .wait)
    }

    @Test func aClosedAgentDoesNotRestart() {
        var agent = ICELiteAgent.make()
        agent.close()
        agent.restart(local: Self.local, remote: Self.remote, at: .seconds(1))
        #expect(agent.receive(Self.check(2, nominating: true)).event == .ignored(.closed))
        #expect(agent.isRestarting == false)
    }
}
