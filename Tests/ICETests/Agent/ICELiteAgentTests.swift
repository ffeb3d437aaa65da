import ICE
import TestKit
import Testing
import Wire

/// The table of datagrams and what a lite agent makes of them.
@Suite struct ICELiteAgentTests {
    private let first = TransportTuple.port(1000)
    private let second = TransportTuple.port(2000)

    @Test func aNominatingCheckIsAnsweredAndSelectsItsTuple() throws {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(.nominating(7), on: first)
        #expect(event == .answered(added: true, selectionChanged: true, evicted: nil))
        #expect(agent.selectedTuple == first)
        #expect(isAuthentic(response))
        let message = try parsed(response)
        #expect(message.messageClass == .success)
        #expect(message.transactionID == Check.nominating(7).id)
        #expect(response.withBytes { message.mappedAddress(in: $0) } == first.remote)
    }

    @Test func anAnswerCarriesAnIPv6AddressToo() throws {
        var agent = ICELiteAgent.make()
        let remote = try #require(SocketAddress(host: "2001:db8::17", port: 40_000))
        let tuple = TransportTuple(local: first.local, remote: remote)
        let (_, response) = agent.receive(.nominating(7), on: tuple)
        let message = try parsed(response)
        #expect(isAuthentic(response))
        #expect(response.withBytes { message.mappedAddress(in: $0) } == remote)
    }

    @Test func aPlainCheckValidatesWithoutSelecting() {
        var agent = ICELiteAgent.make()
        #expect(agent.isValidated(first) == false)
        let (event, _) = agent.receive(Check(), on: first)
        #expect(event == .answered(added: true, selectionChanged: false, evicted: nil))
        #expect(agent.isValidated(first) == true)
        #expect(agent.selectedTuple == nil)
        #expect(agent.isValidated(second) == false)
    }

    @Test func aWrongPasswordChangesNothing() throws {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(Check(password: "guess", useCandidate: true))
        #expect(event == .rejected(.unauthenticated))
        #expect(try parsed(response).errorCode == 401)
        #expect(try !parsed(response).hasIntegrity)
        #expect(agent.selectedTuple == nil)
        #expect(agent.validatedTuples.isEmpty)
    }

    @Test(arguments: ["other5678901:1Aci", "lite1234567:81Aci", "lite12345678", "", ":", "LITE12345678:1Aci"])
    func aForeignUsernameIsMetWithSilence(_ username: String) {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(Check(username: username, useCandidate: true))
        #expect(event == .ignored(.username))
        #expect(response.isEmpty)
    }

    @Test(arguments: ["lite12345678:", "lite12345678:1Acj", "lite12345678:1Aci2", "lite12345678:1Ac"])
    func aWrongRemoteHalfIsRefused(_ username: String) throws {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(Check(username: username, useCandidate: true))
        #expect(event == .rejected(.unauthenticated))
        #expect(try parsed(response).errorCode == 401)
        #expect(agent.validatedTuples.isEmpty)
    }

    @Test func missingIntegrityIsABadRequest() throws {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(Check(useCandidate: true, integrity: .none))
        #expect(event == .rejected(.badRequest))
        #expect(try parsed(response).errorCode == 400)
        #expect(agent.validatedTuples.isEmpty)
    }

    @Test func aDamagedFingerprintIsDropped() {
        var agent = ICELiteAgent.make()
        var bytes = Check.nominating(1).bytes
        bytes[bytes.count - 1] ^= 1
        let (event, response) = agent.receive(bytes)
        #expect(event == .ignored(.fingerprint))
        #expect(response.isEmpty)
    }

    @Test func aMissingFingerprintIsAccepted() {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(Check(useCandidate: true, hasFingerprint: false))
        #expect(event == .answered(added: true, selectionChanged: true, evicted: nil))
        #expect(isAuthentic(response))
    }

    @Test func malformedDatagramsAreDropped() {
        var agent = ICELiteAgent.make()
        #expect(agent.receive(Check.nominating(1).bytes + [0x80, 0x22, 0, 0]).event == .ignored(.malformed(.length)))
        #expect(agent.receive([UInt8]()).event == .ignored(.malformed(.size)))
        #expect(agent.statistics.ignored == 2)
    }

    @Test func aControlledPeerIsARoleConflict() throws {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(Check(hasControlling: false, hasControlled: true, useCandidate: true))
        #expect(event == .rejected(.roleConflict))
        #expect(isAuthentic(response))
        #expect(try parsed(response).errorCode == 487)
        #expect(agent.validatedTuples.isEmpty)
    }

    @Test func aRoleConflictWithoutIntegrityIsNotToldToStrangers() {
        var agent = ICELiteAgent.make()
        let (event, _) = agent.receive(Check(password: "guess", hasControlled: true))
        #expect(event == .rejected(.unauthenticated))
    }

    @Test func theMinimalRequestOfFFmpegIsAccepted() {
        var agent = ICELiteAgent.make()
        let check = Check(hasPriority: false, hasControlling: false, useCandidate: true)
        let (event, response) = agent.receive(check)
        #expect(event == .answered(added: true, selectionChanged: true, evicted: nil))
        #expect(isAuthentic(response))
    }

    @Test func unknownRequiredAttributesAreListed() throws {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(Check(useCandidate: true, extra: [(0x7FFF, []), (0x0033, [1])]))
        #expect(event == .rejected(.unknownAttribute))
        #expect(isAuthentic(response))
        #expect(try parsed(response).errorCode == 420)
        let list: [UInt8] = [0x00, 0x0A, 0x00, 0x04, 0x7F, 0xFF, 0x00, 0x33]
        #expect(response.indices.contains { response[$0...].starts(with: list) })
        #expect(agent.validatedTuples.isEmpty)
    }

    @Test func attributesOfChromeAndLibjuiceAreSkipped() {
        var agent = ICELiteAgent.make()
        let check = Check(
            useCandidate: true,
            extra: [
                (0xC057, [0, 1, 0, 10]), (0xC001, [0, 0, 0, 1]), (0xC05F, [1, 2, 3, 4]),
                (0x8022, Array("libjuice".utf8)),
            ])
        let (event, _) = agent.receive(check)
        #expect(event == .answered(added: true, selectionChanged: true, evicted: nil))
    }

    @Test(arguments: [
        (STUNMessage.Class.indication, ICEDropReason.indication), (.success, .unexpectedResponse),
        (.error, .unexpectedResponse),
    ])
    func indicationsAndResponsesAreIgnored(_ messageClass: STUNMessage.Class, _ reason: ICEDropReason) {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(Check(useCandidate: true, messageClass: messageClass))
        #expect(event == .ignored(reason))
        #expect(response.isEmpty)
        #expect(agent.validatedTuples.isEmpty)
    }

    @Test func anIndicationKeepsNoConsentAlive() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), at: .seconds(0))
        _ = agent.receive(Check(transaction: 2, messageClass: .indication), at: .seconds(14))
        #expect(agent.deadlineReached(at: .seconds(15)) == .consentLost)
    }

    @Test func otherMethodsAreIgnored() {
        var agent = ICELiteAgent.make()
        #expect(agent.receive(Check(method: 3)).event == .ignored(.method))
    }

    @Test(arguments: [Check.Integrity.sha256, .both])
    func sha256IsAcceptedAndAnsweredInKind(_ integrity: Check.Integrity) throws {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(Check(useCandidate: true, integrity: integrity))
        #expect(event == .answered(added: true, selectionChanged: true, evicted: nil))
        let message = try parsed(response)
        #expect(message.messageIntegritySHA256 != nil)
        #expect(message.messageIntegrity == nil)
        #expect(isAuthentic(response))
    }

    @Test func aRepeatedRequestGetsTheSameAnswerAndNominatesOnce() {
        var agent = ICELiteAgent.make()
        let original = agent.receive(.nominating(1), on: first)
        let moved = agent.receive(.nominating(2), on: second)
        let repeated = agent.receive(.nominating(1), on: first)
        #expect(moved.event == .answered(added: true, selectionChanged: true, evicted: nil))
        #expect(repeated.event == .answered(added: false, selectionChanged: false, evicted: nil))
        #expect(repeated.response == original.response)
        #expect(agent.selectedTuple == second)
        #expect(agent.statistics.duplicates == 1)
        #expect(agent.statistics.selections == 2)
    }

    @Test func theFirstTransactionMayBeAllZero() {
        var agent = ICELiteAgent.make()
        var bytes: [UInt8] = []
        let writer = STUNWriter(.request, transactionID: STUNTransactionID(high: 0, low: 0), into: &bytes)
        writer.append(.username, Array(Check().username.utf8), into: &bytes)
        writer.append(.useCandidate, [], into: &bytes)
        writer.appendIntegrity(key: Array(Check.local.password.utf8), ReferenceHash.authentication, into: &bytes)
        writer.finish(&bytes)
        #expect(agent.receive(bytes).event == .answered(added: true, selectionChanged: true, evicted: nil))
    }

    @Test func aLargeRequestIsAnsweredShortly() {
        var agent = ICELiteAgent.make()
        let (event, response) = agent.receive(
            Check(useCandidate: true, extra: [(0x8044, [UInt8](repeating: 9, count: 1400))]))
        #expect(event == .answered(added: true, selectionChanged: true, evicted: nil))
        #expect(response.count <= 100)
    }

    @Test func noAnswerIsMuchLongerThanItsRequest() throws {
        let ipv6 = TransportTuple(local: first.local, remote: try #require(SocketAddress(host: "2001:db8::1", port: 9)))
        let short = Check(hasPriority: false, hasControlling: false, hasFingerprint: false)
        var variants = [short, short, short, short, short]
        variants[1].integrity = .sha256
        variants[2].integrity = .none
        variants[3].password = "guess"
        variants[4].extra = (0..<30).map { (0x7F00 + $0, []) }
        for check in variants {
            var agent = ICELiteAgent.make()
            let (event, response) = agent.receive(check, on: ipv6)
            #expect(event != .ignored(.amplification))
            #expect(!response.isEmpty)
            #expect(2 * response.count <= 3 * check.bytes.count)
        }
    }

    @Test func noFlippedBitIsAccepted() {
        for check in [Check.nominating(1), Check(useCandidate: true, integrity: .sha256), Check(integrity: .both)] {
            let valid = check.bytes
            for bit in 0..<valid.count * 8 {
                var agent = ICELiteAgent.make()
                var bytes = valid
                bytes[bit / 8] ^= 1 << (bit % 8)
                let (event, _) = agent.receive(bytes)
                if case .answered = event { Issue.record("bit \(bit) was accepted") }
                #expect(agent.validatedTuples.isEmpty)
            }
        }
    }

    @Test func noFlippedBitIsAcceptedWithoutFingerprint() {
        let valid = Check(useCandidate: true, hasFingerprint: false).bytes
        for bit in 0..<valid.count * 8 {
            var agent = ICELiteAgent.make()
            var bytes = valid
            bytes[bit / 8] ^= 1 << (bit % 8)
            if case .answered = agent.receive(bytes).event { Issue.record("bit \(bit) was accepted") }
        }
    }

    @Test func spoofedRequestsDisturbNothingAndAreSeldomAnswered() {
        var agent = ICELiteAgent.make()
        _ = agent.receive(.nominating(1), on: first)
        let deadline = agent.nextDeadline
        let spoofed = Check(password: "guess", useCandidate: true).bytes
        var answers = 0
        for attempt in 0..<1_000 {
            let (_, response) = agent.receive(
                spoofed, on: .port(UInt16(3000 + attempt)), at: .milliseconds(UInt64(attempt)))
            if !response.isEmpty { answers += 1 }
        }
        #expect(answers == 14)
        #expect(agent.selectedTuple == first)
        #expect(agent.validatedTuples == [first])
        #expect(agent.nextDeadline == deadline)
        #expect(agent.statistics.rejected == 1_000)
        #expect(agent.statistics.unansweredErrors == 986)
    }

    @Test func anAnswerIsAppendedAndLeaksNothingOfItsBuffer() throws {
        var agent = ICELiteAgent.make()
        var dirty = [UInt8](repeating: 0xAA, count: 4096)
        dirty.removeAll(keepingCapacity: true)
        dirty += [1, 2, 3]
        let bytes = Check(password: "guess").bytes
        _ = bytes.withBytes { agent.received($0, on: first, at: .seconds(0), response: &dirty) }
        #expect(dirty.starts(with: [1, 2, 3]))
        let response = Array(dirty.dropFirst(3))
        #expect(try parsed(response).errorCode == 401)
        #expect(!response.contains(0xAA))
    }

    @Test func hostileVariationsNeverTrapAndNeverValidate() {
        var random = SplitMix64(seed: 3)
        var agent = ICELiteAgent.make()
        let valid = Check(useCandidate: true, nomination: 1).bytes
        for round in 0..<3_000 {
            var bytes = valid
            for _ in 0...Int.random(in: 0...5, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            }
            guard bytes != valid else { continue }
            _ = agent.receive(bytes, on: .port(UInt16(round)))
        }
        #expect(agent.validatedTuples.isEmpty)
    }
}
