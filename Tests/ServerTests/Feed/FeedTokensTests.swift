import Synchronization
import Testing
import Wire

@testable import Server

@Suite struct FeedTokensTests {
    private final class Clock: Sendable {
        private let seconds = Mutex<UInt64>(100)
        var now: Instant { .seconds(seconds.withLock { $0 }) }
        func advance(by count: UInt64) { seconds.withLock { $0 += count } }
    }

    private static let maximum = 150
    private let clock = Clock()
    private let tokens: FeedTokens

    init() {
        let clock = clock
        tokens = FeedTokens(maximum: Self.maximum, now: { clock.now })
    }

    @Test func oneThatIsNotUsedEndsAfterAMinute() throws {
        let token = try #require(tokens.make(for: "secret"))
        #expect(FeedTokens.isOne(token) && token.utf8.count >= 27 && !token.contains("secret"))
        #expect(try #require(tokens.make(for: "secret")) != token)
        clock.advance(by: 59)
        #expect(tokens.use(token) == "secret")
        tokens.ended(token)
        clock.advance(by: 60)
        #expect(tokens.use(token) == nil)
        #expect(tokens.use("feed-") == nil && tokens.use("") == nil && tokens.use(token + "A") == nil)
    }

    @Test func oneThatIsUsedLivesOnAndAMinuteLongerForReconnecting() throws {
        let token = try #require(tokens.make(for: "secret"))
        #expect(tokens.use(token) == "secret")
        clock.advance(by: 3_600)
        #expect(tokens.use(token) == "secret", "a page that opens a second one")
        tokens.ended(token)
        clock.advance(by: 3_600)
        tokens.ended(token)
        clock.advance(by: 59)
        #expect(tokens.use(token) == "secret")
        tokens.ended(token)
        // One end too many counts for nothing.
        tokens.ended(token)
        #expect(tokens.usesNow == 0)
        clock.advance(by: 61)
        #expect(tokens.use(token) == nil)
        #expect(tokens.make(for: "other") != nil)
        #expect(tokens.count == 1, "what is over is forgotten")
    }

    /// Whoever finds one in a log is not let in for ever.
    @Test func oneOpensNothingAfterADayAndOnlySoManyAtOnce() throws {
        let token = try #require(tokens.make(for: "secret"))
        for _ in 0..<FeedTokens.maximumUses { #expect(tokens.use(token) == "secret") }
        #expect(tokens.use(token) == nil)
        tokens.ended(token)
        clock.advance(by: FeedTokens.longestSeconds - 1)
        #expect(tokens.use(token) == "secret")
        tokens.ended(token)
        clock.advance(by: 1)
        #expect(tokens.use(token) == nil)
        #expect(tokens.usesNow == FeedTokens.maximumUses - 1, "what is open stays open")
    }

    @Test func thereAreOnlySoMany() throws {
        let first = try #require(tokens.make(for: "one"))
        #expect(tokens.use(first) == "one")
        let oldest = try #require(tokens.make(for: "one"))
        clock.advance(by: 1)
        for _ in 0..<FeedTokens.maximumOfOneToken { #expect(tokens.make(for: "one") != nil) }
        #expect(tokens.count == FeedTokens.maximumOfOneToken + 1)
        #expect(tokens.use(oldest) == nil, "it went for a newer one")
        #expect(tokens.use(first) == "one", "one in use stays")
        for number in tokens.count..<Self.maximum {
            #expect(tokens.make(for: "other\(number)") != nil)
        }
        #expect(tokens.make(for: "too many") == nil)
        clock.advance(by: 61)
        #expect(tokens.make(for: "too many") != nil)
    }
}
