import Testing
import Wire

@testable import ICE

/// What the agent does when the peer's media comes from an address that is not validated.
@Suite struct OwnCheckTests {
    private let old = TransportTuple.port(1000)
    private let new = TransportTuple.port(2000)

    /// An agent whose client nominated the old tuple.
    private func connected(checkSecret: [UInt8] = Array(1...32)) -> ICELiteAgent {
        var agent = ICELiteAgent.make(checkSecret: checkSecret)
        _ = agent.receive(.nominating(1), on: old)
        return agent
    }

    /// An answer as a client gives it, each part changeable.
    private struct Answer {
        var id: STUNTransactionID
        var password = Check.remote.password
        var messageClass = STUNMessage.Class.success
        var method = STUNMessage.bindingMethod
        var hasIntegrity = true

        var bytes: [UInt8] {
            var output: [UInt8] = []
            let writer = STUNWriter(messageClass, method: method, transactionID: id, into: &output)
            writer.append(mappedAddress: TransportTuple.port(1).local, into: &output)
            if hasIntegrity {
                writer.appendIntegrity(key: Array(password.utf8), ReferenceHash.authentication, into: &output)
            }
            writer.appendFingerprint(into: &output)
            return output
        }
    }

    @Test func theRequestIsOneThatAFullAgentAnswers() throws {
        var agent = connected()
        let requests = try agent.begin(on: new, at: .seconds(1))
        let bytes = try #require(requests.first)
        #expect(requests.count == 1)
        let message = try parsed(bytes)
        #expect(message.messageClass == .request && message.method == STUNMessage.bindingMethod)
        #expect(message.username.map { Array(bytes[$0]) } == Array("\(Check.remote.ufrag):\(Check.local.ufrag)".utf8))
        #expect(message.priority == 0x6EFF_FFFF && message.iceControlled != nil && message.iceControlling == nil)
        #expect(!message.useCandidate && message.fingerprint != nil)
        var scratch: [UInt8] = []
        let isValid = bytes.withBytes {
            message.fingerprintIsValid(in: $0)
                && message.integrityIsValid(
                    in: $0, key: Array(Check.remote.password.utf8), authentication: ReferenceHash.authentication,
                    scratch: &scratch)
        }
        #expect(isValid)
        #expect(bytes.count < 120)
    }

    @Test func onlyTheAnswerMovesMedia() throws {
        var agent = connected()
        let id = try agent.beginOne(on: new, at: .seconds(1))
        #expect(agent.selectedTuple == old && !agent.isValidated(new))
        let (event, response) = agent.receive(Answer(id: id).bytes, on: new, at: .milliseconds(1040))
        #expect(event == .proved(moved: true, evicted: nil))
        #expect(response.isEmpty)
        #expect(agent.selectedTuple == new && agent.isValidated(old))
        #expect(agent.statistics.answeredOwnChecks == 1)
        // It is over: the same answer again says nothing, and nothing is sent any more.
        let (again, _) = agent.receive(Answer(id: id).bytes, on: new, at: .milliseconds(1050))
        #expect(again == .ignored(.unexpectedResponse))
        var request: [UInt8] = []
        #expect(agent.nextOwnCheck(at: .seconds(5), request: &request) == nil)
    }

    @Test func anUnansweredRequestIsRepeatedThreeTimesAndGivenUp() {
        var agent = connected()
        let isTried = agent.spendsTrial(on: new, at: .seconds(1))
        let begins = agent.strayMediaReceived(on: new, at: .seconds(1))
        #expect(isTried && begins)
        var request: [UInt8] = []
        var sent: [(Int64, [UInt8])] = []
        var now = Instant.seconds(1)
        var end: Int64?
        for _ in 0..<10 where end == nil {
            while let check = agent.nextOwnCheck(at: now, request: &request) {
                let elapsed = now.milliseconds(since: .seconds(1))
                switch check {
                case .send(let tuple):
                    #expect(tuple == new)
                    sent.append((elapsed, request))
                case .givenUp(let tuple):
                    #expect(tuple == new)
                    end = elapsed
                }
            }
            guard let next = agent.nextDeadline else { break }
            now = next
        }
        #expect(sent.map(\.0) == [0, 100, 300, 700])
        #expect(Set(sent.map(\.1)).count == 1)
        #expect(end == 1_500)
        #expect(agent.selectedTuple == old && !agent.isValidated(new))
        #expect(agent.statistics.unansweredOwnChecks == 1)
        // What is left to wait for is the end of consent.
        #expect(agent.nextDeadline == .seconds(15))
    }

    @Test func wrongAnswersProveNothing() throws {
        var agent = connected()
        let id = try agent.beginOne(on: new, at: .seconds(1))
        let other = STUNTransactionID(high: id.high, low: id.low ^ 1)
        let wrong: [(Answer, TransportTuple)] = [
            (Answer(id: other), new), (Answer(id: id), old), (Answer(id: id), .port(3000)),
            (Answer(id: id, password: Check.local.password), new), (Answer(id: id, hasIntegrity: false), new),
            (Answer(id: id, messageClass: .error), new), (Answer(id: id, messageClass: .indication), new),
            (Answer(id: id, method: 2), new),
        ]
        for (answer, tuple) in wrong {
            let (event, response) = agent.receive(answer.bytes, on: tuple, at: .milliseconds(1010))
            guard case .ignored = event else {
                Issue.record("\(answer) on \(tuple): \(event)")
                continue
            }
            #expect(response.isEmpty)
        }
        #expect(agent.selectedTuple == old && !agent.isValidated(new))
        // Nor do they end the check.
        let (event, _) = agent.receive(Answer(id: id).bytes, on: new, at: .milliseconds(1020))
        #expect(event == .proved(moved: true, evicted: nil))
    }

    @Test func noBitOfAnAnswerMayDiffer() throws {
        var agent = connected()
        let id = try agent.beginOne(on: new, at: .seconds(1))
        let answer = Answer(id: id).bytes
        for index in answer.indices {
            for bit in 0..<8 {
                var changed = answer
                changed[index] ^= 1 << bit
                _ = agent.receive(changed, on: new, at: .milliseconds(1010))
                #expect(agent.selectedTuple == old, "bit \(bit) of byte \(index)")
            }
        }
    }

    @Test func aPeerThatIsHeardWhereItWasIsNotElsewhere() throws {
        var agent = connected()
        let id = try agent.beginOne(on: new, at: .seconds(1))
        agent.mediaReceived(on: old, at: .milliseconds(1020))
        let (event, _) = agent.receive(Answer(id: id).bytes, on: new, at: .milliseconds(1040))
        #expect(event == .proved(moved: false, evicted: nil))
        #expect(agent.selectedTuple == old && !agent.isValidated(new))
        #expect(agent.statistics.supersededOwnChecks == 1)
    }

    @Test func aPeerThatIsHeardWhereItWasAgainIsThere() throws {
        var agent = connected()
        let id = try agent.beginOne(on: new, at: .seconds(1))
        _ = agent.receive(Answer(id: id).bytes, on: new, at: .milliseconds(1040))
        #expect(agent.selectedTuple == new)
        // The port is the old one again, or somebody who only passed packets on answered: either way without a check.
        let moved = agent.mediaReceived(on: old, at: .milliseconds(1200))
        #expect(moved && agent.selectedTuple == old)
        let repeated = agent.mediaReceived(on: old, at: .milliseconds(1210))
        #expect(!repeated)
        let movedOn = agent.mediaReceived(on: new, at: .milliseconds(1300))
        #expect(movedOn && agent.selectedTuple == new)
        // Its own check says where it is: media elsewhere moves nothing after that.
        _ = agent.receive(.nominating(2), on: new, at: .milliseconds(1400))
        let late = agent.mediaReceived(on: old, at: .milliseconds(1500))
        #expect(!late && agent.selectedTuple == new)
    }

    @Test func checksOfOneSessionHaveOneTieBreaker() throws {
        var agent = connected()
        let requests = [
            try agent.begin(on: new, at: .seconds(1)), try agent.begin(on: .port(3000), at: .seconds(3)),
        ].flatMap { $0 }
        #expect(requests.count == 2)
        let first = try parsed(try #require(requests.first))
        let second = try parsed(try #require(requests.last))
        #expect(first.iceControlled != nil && first.iceControlled == second.iceControlled)
        #expect(first.transactionID != second.transactionID)
    }

    @Test func aNominationInTheMeantimeCounts() throws {
        var agent = connected()
        let id = try agent.beginOne(on: new, at: .seconds(1))
        _ = agent.receive(.nominating(2), on: .port(3000), at: .milliseconds(1020))
        let (event, _) = agent.receive(Answer(id: id).bytes, on: new, at: .milliseconds(1040))
        #expect(event == .proved(moved: false, evicted: nil))
        #expect(agent.selectedTuple == .port(3000))
    }

    @Test func theClientsOwnCheckMakesOursNeedless() throws {
        var agent = connected()
        _ = try agent.beginOne(on: new, at: .seconds(1))
        let (event, _) = agent.receive(.nominating(2), on: new, at: .milliseconds(1020))
        #expect(event == .answered(added: true, selectionChanged: true, evicted: nil))
        var request: [UInt8] = []
        #expect(agent.nextOwnCheck(at: .seconds(5), request: &request) == nil)
    }

    /// Chromium repeats its nomination with the value it had on the old port.
    @Test func theClientsNextCheckFromTheProvedTupleKeepsIt() throws {
        var agent = ICELiteAgent.make()
        _ = agent.receive(Check(transaction: 1, useCandidate: true, nomination: 3), on: old)
        let id = try agent.beginOne(on: new, at: .seconds(1))
        _ = agent.receive(Answer(id: id).bytes, on: new, at: .milliseconds(1040))
        let (event, _) = agent.receive(
            Check(transaction: 2, useCandidate: true, nomination: 3), on: new, at: .seconds(2))
        #expect(event == .answered(added: false, selectionChanged: false, evicted: nil))
        #expect(agent.selectedTuple == new)
    }

    @Test func aSessionThatLostConsentRecovers() throws {
        var agent = connected()
        #expect(agent.deadlineReached(at: .seconds(15)) == .consentLost)
        let id = try agent.beginOne(on: new, at: .seconds(16))
        let (event, _) = agent.receive(Answer(id: id).bytes, on: new, at: .milliseconds(16_040))
        #expect(event == .proved(moved: true, evicted: nil))
        #expect(agent.selectedTuple == new)
        #expect(agent.nextDeadline == .milliseconds(31_040))
    }

    @Test func theNinthTupleEvictsAnother() throws {
        var agent = connected()
        for port in 1..<8 as Range<UInt16> {
            _ = agent.receive(Check(transaction: 10 + UInt64(port)), on: .port(port), at: .milliseconds(UInt64(port)))
        }
        let id = try agent.beginOne(on: new, at: .seconds(1))
        let (event, _) = agent.receive(Answer(id: id).bytes, on: new, at: .milliseconds(1040))
        #expect(event == .proved(moved: true, evicted: .port(1)))
        #expect(agent.validatedTuples.count == ICELimits.maximumTuples)
    }

    @Test func nothingIsAskedOfConnectionsNorBeforeTheFirstPathNorAfterTheEnd() {
        var agent = ICELiteAgent.make()
        let early = agent.strayMediaReceived(on: new, at: .seconds(1))
        _ = agent.receive(.nominating(1), on: old)
        var connection = new
        connection.transport = .tcp
        let ofConnection = agent.strayMediaReceived(on: connection, at: .seconds(1))
        let ofConnectionTried = agent.spendsTrial(on: connection, at: .seconds(1))
        agent.close()
        let late = agent.strayMediaReceived(on: new, at: .seconds(1))
        #expect(!early && !ofConnection && !ofConnectionTried && !late)
        var without = connected(checkSecret: [])
        let withoutSecret = without.strayMediaReceived(on: new, at: .seconds(1))
        #expect(!withoutSecret)
    }

    /// What replayed packets from as many addresses as one likes have the server send.
    @Test func aFloodOfAddressesGetsAFewRequests() {
        var agent = connected()
        var request: [UInt8] = []
        var sent = 0
        var trials = 0
        for millisecond in 0..<10_000 as Range<UInt64> {
            let now = Instant.milliseconds(1_000 + millisecond)
            agent.mediaReceived(on: old, at: now)
            let tuple = TransportTuple.port(UInt16(20_000 + millisecond))
            if agent.spendsTrial(on: tuple, at: now) {
                trials += 1
                _ = agent.strayMediaReceived(on: tuple, at: now)
            }
            while let check = agent.nextOwnCheck(at: now, request: &request) {
                if case .send = check { sent += 1 }
            }
        }
        #expect((10...14).contains(Int(agent.statistics.ownChecks)))
        #expect(sent <= 14 * ICELimits.ownCheckTransmissions)
        #expect(trials <= 20 + 200)
        #expect(agent.selectedTuple == old)
    }

    @Test func transactionsDifferFromEachOtherAndFromOtherSessions() throws {
        var seen: Set<STUNTransactionID> = []
        for secret in 1...4 as ClosedRange<UInt8> {
            var agent = connected(checkSecret: [UInt8](repeating: secret, count: 32))
            for count in 0..<4 as Range<UInt64> {
                var now = Instant.seconds(1 + 3 * count)
                let id = try agent.beginOne(on: .port(UInt16(3000 + count)), at: now)
                #expect(seen.insert(id).inserted)
                // Until it is given up.
                var request: [UInt8] = []
                for _ in 0..<20 {
                    now = now.advanced(byMilliseconds: 100)
                    while agent.nextOwnCheck(at: now, request: &request) != nil {}
                }
            }
        }
        #expect(seen.count == 16)
    }
}

extension ICELiteAgent {
    /// Media comes from `tuple`; what is sent at once.
    fileprivate mutating func begin(on tuple: TransportTuple, at now: Instant) throws -> [[UInt8]] {
        let begins = strayMediaReceived(on: tuple, at: now)
        try #require(begins)
        var requests: [[UInt8]] = []
        var request: [UInt8] = []
        while let check = nextOwnCheck(at: now, request: &request) {
            if case .send(tuple) = check { requests.append(request) }
        }
        return requests
    }

    fileprivate mutating func beginOne(on tuple: TransportTuple, at now: Instant) throws -> STUNTransactionID {
        let request = try #require(try begin(on: tuple, at: now).first)
        return try parsed(request).transactionID
    }
}
