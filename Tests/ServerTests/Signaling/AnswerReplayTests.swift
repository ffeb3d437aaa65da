import HTTP
import Testing
import Wire

@testable import Server

@Suite struct AnswerReplayTests {
    private let start = Instant.seconds(100)

    private func key(_ text: String?, path: String = "/cam1/whip", token: [UInt8]? = nil, from last: UInt8 = 1) throws
        -> AnswerReplay.Key?
    {
        var headers = HTTPHeaders()
        headers["Idempotency-Key"] = text
        return AnswerReplay.Key(
            HTTPRequest(
                method: .post, target: path, path: try ResourcePath(decoding: path), headers: headers,
                remoteAddress: SocketAddress(ipv4: 0x0A00_0000 | UInt32(last), port: 1)), tokenDigest: token)
    }

    private func isProceed(_ decision: AnswerReplay.Decision) -> Bool {
        if case .proceed = decision { true } else { false }
    }

    @Test func theFirstAnswerIsGivenAgainWhileItLasts() throws {
        var replay = AnswerReplay()
        let key = try #require(try key("a"))
        #expect(isProceed(replay.begin(key, offer: [1], at: start)))
        guard case .pending = replay.begin(key, offer: [1], at: start) else { return #expect(Bool(false)) }
        replay.finish(key, HTTPResponse(status: 201), sessionID: "s", at: start)
        let later = start.advanced(bySeconds: AnswerReplay.lifetimeSeconds - 1)
        guard case .replay(let response, "s") = replay.begin(key, offer: [1], at: later) else {
            return #expect(Bool(false))
        }
        #expect(response.status == 201)
        guard case .otherOffer = replay.begin(key, offer: [2], at: later) else { return #expect(Bool(false)) }
        #expect(isProceed(replay.begin(key, offer: [2], at: later.advanced(bySeconds: 1))))
    }

    @Test func afterAFailureTheKeyIsFree() throws {
        var replay = AnswerReplay()
        let key = try #require(try key("a"))
        #expect(isProceed(replay.begin(key, offer: [1], at: start)))
        replay.finish(key, nil, at: start)
        #expect(isProceed(replay.begin(key, offer: [2], at: start)))
    }

    @Test func keysOfOthersNeverMeet() throws {
        let keys = [
            try key("a"), try key("b"), try key("a", path: "/cam2/whip"), try key("a", token: [1]),
            try key("a", from: 2),
        ]
        #expect(Set(keys.compactMap { $0 }).count == keys.count)
        #expect(try key("a") == key("a"))
        for useless in [nil, "", String(repeating: "k", count: AnswerReplay.maximumKeyLength + 1)] {
            #expect(try key(useless) == nil)
        }
    }

    @Test func theTableIsBounded() throws {
        var replay = AnswerReplay()
        for index in 0..<3_000 {
            let key = try #require(try key("\(index)"))
            #expect(isProceed(replay.begin(key, offer: [], at: start)))
            if index % 3 == 0 { replay.finish(key, nil, at: start) }
        }
        #expect(replay.count <= AnswerReplay.maximumAnswers)
        let much = start.advanced(bySeconds: AnswerReplay.lifetimeSeconds)
        #expect(isProceed(replay.begin(try #require(try key("x")), offer: [], at: much)))
        #expect(replay.count == 1)
    }
}
