import ICE
import Testing
import Wire

@Suite struct TupleSelectionTests {
    private let first = TransportTuple.port(1000)
    private let second = TransportTuple.port(2000)

    @Test func theLatestNominationWins() {
        var agent = ICELiteAgent.make()
        for (transaction, tuple) in [first, second, first].enumerated() {
            _ = agent.receive(.nominating(UInt64(transaction)), on: tuple)
            #expect(agent.selectedTuple == tuple)
        }
        #expect(agent.isValidated(second) == true)
    }

    @Test func nominatingTheSelectedTupleAgainChangesNothing() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first)
        let (event, _) = agent.receive(.nominating(2), on: first)
        #expect(event == .answered(added: false, selectionChanged: false, evicted: nil))
    }

    @Test func plainChecksDoNotMoveTheSelection() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first)
        _ = agent.receive(Check(transaction: 2), on: second)
        #expect(agent.selectedTuple == first)
    }

    @Test func aReboundPortMovesWithItsNextNomination() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first, at: .seconds(1))
        let (event, _) = agent.receive(.nominating(2), on: second, at: .seconds(2))
        #expect(event == .answered(added: true, selectionChanged: true, evicted: nil))
        #expect(agent.selectedTuple == second)
    }

    @Test func theHighestNominationValueWinsWithoutUseCandidate() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(Check(transaction: 1, nomination: 5), on: first)
        #expect(agent.selectedTuple == first)
        _ = agent.receive(Check(transaction: 2, nomination: 6), on: second)
        #expect(agent.selectedTuple == second)
        _ = agent.receive(Check(transaction: 3, useCandidate: true, nomination: 5), on: first)
        #expect(agent.selectedTuple == second)
        _ = agent.receive(Check(transaction: 4, nomination: 6), on: first)
        #expect(agent.selectedTuple == second)
    }

    @Test func aHandshakeSelectsAValidatedTupleBeforeNomination() {
        var agent = ICELiteAgent.make()
        #expect(agent.secureDatagramReceived(on: first, at: .seconds(0)) == false)
        _ = agent.receive(Check(), on: first)
        #expect(agent.secureDatagramReceived(on: first, at: .seconds(0)) == true)
        #expect(agent.selectedTuple == first)
        #expect(agent.secureDatagramReceived(on: first, at: .seconds(0)) == false)
        #expect(agent.secureDatagramReceived(on: second, at: .seconds(0)) == false)
        _ = agent.receive(.nominating(2), on: second)
        #expect(agent.selectedTuple == second)
    }

    @Test func aHandshakeChoosesAmongAggressivelyNominatedTuples() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first)
        _ = agent.receive(.nominating(2), on: second)
        #expect(agent.secureDatagramReceived(on: first, at: .seconds(0)) == true)
        #expect(agent.selectedTuple == first)
    }

    @Test func aHandshakeDoesNotOverruleANomination() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first)
        _ = agent.receive(Check(transaction: 2), on: second)
        #expect(agent.secureDatagramReceived(on: second, at: .seconds(0)) == false)
        #expect(agent.selectedTuple == first)
    }

    @Test func mediaNeverMovesTheSelection() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first)
        _ = agent.receive(Check(transaction: 2), on: second)
        let movedByValidated = agent.mediaReceived(on: second, at: .seconds(1))
        let movedByStranger = agent.mediaReceived(on: .port(3000), at: .seconds(1))
        #expect(!movedByValidated && !movedByStranger)
        #expect(agent.selectedTuple == first)
        #expect(agent.isValidated(.port(3000)) == false)
    }

    @Test func theNinthTupleEvictsTheOneSilentLongest() {
        var agent = ICELiteAgent.make()
        for index in 0..<8 as Range<UInt16> {
            let check = index == 0 ? Check.nominating(1) : Check(transaction: UInt64(index) + 1)
            _ = agent.receive(check, on: .port(index), at: .seconds(UInt64(index)))
        }
        _ = agent.receive(Check(transaction: 50), on: .port(1), at: .seconds(8))
        let (event, _) = agent.receive(Check(transaction: 51), on: .port(8), at: .seconds(9))
        #expect(event == .answered(added: true, selectionChanged: false, evicted: .port(2)))
        #expect(agent.isValidated(.port(2)) == false)
        #expect(agent.selectedTuple == .port(0))
        #expect(agent.validatedTuples.count == 8)
    }

    @Test func aHundredPortsKeepEightTuplesAndTheSelectedOne() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first)
        var mapped: Set = [first]
        for index in 0..<100 as Range<UInt16> {
            let tuple = TransportTuple.port(2000 + index)
            let (event, _) = agent.receive(
                Check(transaction: 10 + UInt64(index)), on: tuple, at: .milliseconds(UInt64(index)))
            guard case .answered(true, _, let evicted) = event else {
                Issue.record("not added")
                continue
            }
            mapped.insert(tuple)
            if let evicted { mapped.remove(evicted) }
        }
        #expect(mapped == Set(agent.validatedTuples))
        #expect(mapped.count == ICELimits.maximumTuples)
        #expect(agent.selectedTuple == first)
        #expect(agent.statistics.evictions == 93)
    }

    @Test func eightNominatedTuplesStillMakeRoom() {
        var agent = ICELiteAgent.make()
        for index in 0..<20 as Range<UInt16> {
            _ = agent.receive(.nominating(UInt64(index)), on: .port(index))
            #expect(agent.selectedTuple == .port(index))
        }
        #expect(agent.validatedTuples.count == 8)
    }

    @Test func aClosedTupleHandsOverToTheMostRecentlyHeard() {
        var agent = ICELiteAgent.make()
        for (index, tuple) in [first, second, .port(3000)].enumerated() {
            let check = index == 1 ? Check.nominating(UInt64(index)) : Check(transaction: UInt64(index))
            _ = agent.receive(check, on: tuple, at: .seconds(UInt64(index)))
        }
        #expect(agent.tupleClosed(.port(4000), at: .seconds(5)) == .wait)
        #expect(agent.tupleClosed(second, at: .seconds(5)) == .moved(.port(3000)))
        #expect(agent.tupleClosed(first, at: .seconds(5)) == .wait)
        #expect(agent.selectedTuple == .port(3000))
        #expect(agent.tupleClosed(.port(3000), at: .seconds(5)) == .consentLost)
        #expect(agent.selectedTuple == nil)
    }
}
