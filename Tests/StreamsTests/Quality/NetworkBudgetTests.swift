import Glibc
import RTP
import TestKit
import Testing
import WebRTC
import Wire

@testable import Streams

/// The quality budgets of bad networks (protocols.md 12.10), each deterministic by its seeds: a publisher behind a good
/// link, a viewer behind the bad one, both directions of it alike unless it says otherwise.
@Suite struct NetworkBudgetTests {
    static let isLong = unsafe getenv("MARTLET_LONG_TESTS") != nil
    static let milliseconds: UInt64 = isLong ? 120_000 : 20_000
    static let feedbackSeeds: [UInt64] = Array(1...(isLong ? 12 : 4))
    static let seeds: [UInt64] = isLong ? Array(1...5) : [1, 2]

    struct Case: CustomTestStringConvertible, Sendable {
        var name: String
        /// The round trip.
        var milliseconds: UInt64
        var freezeRatio: Double
        var conditions: NetworkConditions

        init(_ name: String, _ milliseconds: UInt64, _ freezeRatio: Double, _ change: (inout NetworkConditions) -> Void)
        {
            self.name = name
            self.milliseconds = milliseconds
            self.freezeRatio = freezeRatio
            conditions = NetworkConditions()
            conditions.latencyMilliseconds = milliseconds / 2
            change(&conditions)
        }

        var testDescription: String { name }

        static let lossy = [
            Case("N2", 40, 0.002) { $0.loss = 0.02 },
            Case("N3", 50, 0.01) { $0.loss = 0.05 },
            Case("N4", 100, 0.03) { $0.loss = 0.1 },
            Case("N5", 100, 0.15) {
                $0.loss = 0.2
                $0.burstLength = 6
            },
        ]
    }

    /// A path that has played for two seconds under the conditions. A viewer whose link is looked after comes over the bad
    /// link: one that becomes longer meanwhile is another matter.
    private func path(
        _ conditions: NetworkConditions, seed: UInt64, repairDelayMilliseconds: Int? = nil, looksAfterLink: Bool = false
    ) throws -> QualityPath {
        let path = try QualityPath(
            seed: seed, repairDelayMilliseconds: repairDelayMilliseconds, looksAfterLink: looksAfterLink)
        if !looksAfterLink { path.run(milliseconds: 500) }
        path.downlink.setBoth(conditions)
        path.roundTripNanoseconds = conditions.latencyMilliseconds * 2_000_000
        path.run(milliseconds: 2_000)
        path.viewer.forget()
        return path
    }

    private func say(_ name: String, _ path: QualityPath) {
        let player = path.viewer.player
        let ratio = player.freezeRatio(at: path.now)
        print(
            "\(name): \(player.shown) pictures, freezes \(player.freezes), ratio \(ratio), longest",
            player.longestInterval / 1_000_000, "ms, latency", player.latency / 1_000_000, "ms, PLIs",
            path.viewer.keyframeRequests, "keyframes", path.camera.keyframes, "lost", path.downlink.down.lost, "of",
            path.downlink.down.sent, "sent again", path.sink.retransmissions, path.statistics.repairs)
    }

    @Test(arguments: seeds)
    func n1ACleanPathNeverFreezesAndAddsNoDelay(_ seed: UInt64) throws {
        var conditions = NetworkConditions()
        conditions.latencyMilliseconds = 20
        let path = try path(conditions, seed: seed)
        path.run(milliseconds: Self.milliseconds)
        path.viewer.finish(at: path.now)
        say("N1", path)
        #expect(path.viewer.player.freezes == 0)
        // 10 ms uplink, 20 ms downlink, 10 ms of buffer, and the step of this test at each hop.
        #expect(path.viewer.player.latency <= 45_000_000)
        #expect(path.viewer.requests == 0)
        #expect(path.statistics.repairs.requested == 0)
    }

    @Test func n1ACleanPathIsNotAskedToWait() throws {
        var conditions = NetworkConditions()
        conditions.latencyMilliseconds = 20
        let path = try path(conditions, seed: 1, repairDelayMilliseconds: 500)
        path.run(milliseconds: Self.milliseconds)
        path.viewer.finish(at: path.now)
        #expect(path.viewer.player.asked == 0)
        #expect(path.viewer.player.latency <= 45_000_000)
        #expect(path.viewer.player.freezes == 0)
    }

    @Test(arguments: Case.lossy, seeds)
    func lossIsRepairedWithinTheBudget(_ example: Case, _ seed: UInt64) throws {
        let path = try path(example.conditions, seed: seed)
        path.run(milliseconds: Self.milliseconds)
        path.viewer.finish(at: path.now)
        say(example.name, path)
        let player = path.viewer.player
        #expect(player.freezeRatio(at: path.now) < example.freezeRatio)
        #expect(player.longestInterval < 2_000_000_000, "it recovers within 2 s")
        #expect(path.viewer.malformed == 0)
        #expect(player.shown > Int(Self.milliseconds) / 33 * 9 / 10)
    }

    /// A browser that only watches does not wait for what is sent again unless it is asked to.
    @Test(arguments: Case.lossy, seeds)
    func aViewerThatKnowsNoRoundTripIsAskedToWaitForRepairs(_ example: Case, _ seed: UInt64) throws {
        let path = try path(example.conditions, seed: seed, repairDelayMilliseconds: 500)
        path.run(milliseconds: 3_000)
        path.viewer.forget()
        path.run(milliseconds: Self.milliseconds)
        path.viewer.finish(at: path.now)
        say("\(example.name), asked to wait \(path.viewer.player.asked / 1_000_000) ms", path)
        let player = path.viewer.player
        #expect(player.freezeRatio(at: path.now) < example.freezeRatio)
        #expect(player.longestInterval < 2_000_000_000, "it recovers within 2 s")
        #expect(player.asked <= 500_000_000)
    }

    /// Viewers whose feedback tells what they miss, as browsers': loss is not taken for a full link, and what they do not
    /// ask for, because their requests are lost too, is sent again.
    @Test(arguments: Case.lossy, feedbackSeeds)
    func aViewerThatGivesFeedbackIsRepairedWithinTheBudget(_ example: Case, _ seed: UInt64) throws {
        let path = try path(example.conditions, seed: seed, repairDelayMilliseconds: 500, looksAfterLink: true)
        path.run(milliseconds: 3_000)
        path.viewer.forget()
        // Bursts that silence the viewer come every few seconds: of a shorter time chance would be judged.
        let milliseconds = example.conditions.burstLength > 1 ? 120_000 : Self.milliseconds
        path.run(milliseconds: milliseconds)
        path.viewer.finish(at: path.now)
        say("\(example.name) with feedback", path)
        let player = path.viewer.player
        #expect(player.freezeRatio(at: path.now) < example.freezeRatio)
        #expect(player.longestInterval < 2_000_000_000, "it recovers within 2 s")
        #expect(path.sink.congestion?.snapshot.pacer.framesRefused == 0, "loss is not taken for a full link")
        #expect(player.shown > Int(milliseconds) / 33 * 9 / 10)
    }

    /// Demonstration 1: publisher and viewer each lose 10 % both ways at 40 ms each way.
    @Test(arguments: seeds)
    func tenPercentAtFortyMillisecondsEachWayIsRepaired(_ seed: UInt64) throws {
        var conditions = NetworkConditions(loss: 0.1)
        conditions.latencyMilliseconds = 40
        let path = try QualityPath(seed: seed)
        path.run(milliseconds: 500)
        path.uplink.setBoth(conditions)
        path.downlink.setBoth(conditions)
        path.roundTripNanoseconds = 80_000_000
        path.run(milliseconds: 2_000)
        path.viewer.forget()
        path.run(milliseconds: 30_000)
        path.viewer.finish(at: path.now)
        say("10 % both ways", path)
        let player = path.viewer.player
        #expect(player.longestInterval < 1_000_000_000, "no freeze over 1 s")
        let lost = Double(path.downlink.down.lost)
        #expect(Double(path.viewer.abandoned) < lost * 0.01, "over 99 % of what was lost came back")
        let ingest = path.ingest.repairs
        #expect(Double(ingest.abandoned) < Double(ingest.repaired) * 0.01)
    }

    @Test(arguments: seeds, [true, false])
    func n9JitterLosesNothing(_ seed: UInt64, _ keepsOrder: Bool) throws {
        var conditions = NetworkConditions()
        conditions.latencyMilliseconds = 50
        conditions.jitterMilliseconds = 100
        conditions.jitterKeepsOrder = keepsOrder
        let path = try path(conditions, seed: seed)
        path.run(milliseconds: Self.milliseconds)
        path.viewer.finish(at: path.now)
        say("N9 \(keepsOrder ? "in order" : "out of order")", path)
        let player = path.viewer.player
        #expect(player.shown >= Int(Self.milliseconds) * 30 / 1_000 - 6, "no picture was lost")
        #expect(path.viewer.keyframeRequests == 0)
        if keepsOrder {
            #expect(path.viewer.requests == 0)
            #expect(path.statistics.repairs.answered == 0)
        }
    }

    /// The publisher's link jitters: the server must not ask for what is only late.
    @Test(arguments: seeds, [true, false])
    func n9JitterOfThePublishersLinkCostsFewRequests(_ seed: UInt64, _ keepsOrder: Bool) throws {
        let path = try QualityPath(seed: seed)
        path.run(milliseconds: 500)
        path.uplink.up.conditions.jitterMilliseconds = 100
        path.uplink.up.conditions.jitterKeepsOrder = keepsOrder
        path.run(milliseconds: Self.milliseconds)
        path.viewer.finish(at: path.now)
        say("N9 uplink \(keepsOrder ? "in order" : "out of order") \(path.ingest.repairs)", path)
        let received = Double(path.statistics.packetsReceived)
        #expect(Double(path.ingest.repairs.requested) < received * (keepsOrder ? 0 : 0.05) + 1)
        #expect(path.viewer.player.shown >= Int(Self.milliseconds) * 30 / 1_000 - 6, "no picture was lost")
    }

    @Test(arguments: seeds)
    func n10ReorderingAsksForNoKeyframe(_ seed: UInt64) throws {
        var conditions = NetworkConditions()
        conditions.latencyMilliseconds = 20
        conditions.reordering = 0.05
        let path = try path(conditions, seed: seed)
        let keyframes = path.camera.keyframes
        path.uplink.up.conditions.reordering = 0.05
        path.run(milliseconds: Self.milliseconds)
        path.viewer.finish(at: path.now)
        say("N10", path)
        #expect(path.viewer.keyframeRequests == 0)
        #expect(path.camera.keyframes == keyframes)
        #expect(path.viewer.player.freezes == 0)
    }

    @Test(arguments: seeds)
    func n11ABlackHoleOfThreeSecondsIsOverWithinASecond(_ seed: UInt64) throws {
        var conditions = NetworkConditions()
        conditions.latencyMilliseconds = 20
        let path = try path(conditions, seed: seed)
        conditions.isBlackHole = true
        path.downlink.setBoth(conditions)
        path.run(milliseconds: 3_000)
        path.viewer.forget()
        conditions.isBlackHole = false
        path.downlink.setBoth(conditions)
        let end = path.now
        path.run(milliseconds: 1_000)
        let resumed = try #require(path.viewer.player.lastDecodable)
        say("N11", path)
        #expect(resumed > end && path.viewer.player.shown > 15)
        #expect(path.downlink.engine.isConnected)
        path.run(milliseconds: 4_000)
        #expect(path.viewer.player.shown > 30 * 4)
    }

    @Test(arguments: seeds)
    func n12ABlackHoleOfFortySecondsEndsTheSession(_ seed: UInt64) throws {
        let path = try path(NetworkConditions(), seed: seed)
        path.downlink.up.conditions.isBlackHole = true
        path.downlink.down.conditions.isBlackHole = true
        path.run(milliseconds: 40_000)
        #expect(path.downlink.engine.isClosed)
        #expect(path.uplink.engine.isConnected && !path.uplink.engine.isClosed)
    }

    /// The client checks every half second here; media follows with the first check from the new address.
    @Test(arguments: seeds)
    func n13AnotherAddressCostsLessThanASecond(_ seed: UInt64) throws {
        var conditions = NetworkConditions()
        conditions.latencyMilliseconds = 20
        let path = try path(conditions, seed: seed)
        path.downlink.client.port += 1
        path.run(milliseconds: 5_000)
        path.viewer.finish(at: path.now)
        say("N13", path)
        #expect(path.viewer.player.longestInterval < 1_000_000_000)
        #expect(path.viewer.player.shown > 4 * 30)
    }

    /// As browsers are: their next check is far, and a viewer to whom nothing comes any more reports once what came before.
    /// The server asks at the new address by itself.
    @Test(arguments: seeds, [false, true])
    func n13AClientThatChecksRarelyIsAsked(_ seed: UInt64, _ isPublisher: Bool) throws {
        var conditions = NetworkConditions()
        conditions.latencyMilliseconds = 20
        let path = try QualityPath(seed: seed, looksAfterLink: true)
        let link = isPublisher ? path.uplink : path.downlink
        link.setBoth(conditions)
        link.client.consentMilliseconds = 100_000
        path.run(milliseconds: 3_000)
        for _ in 0..<100 where !path.viewer.owesFeedback { path.run(milliseconds: 1) }
        path.viewer.forget()
        let tuple = QualityPath.Link.tuple(link.client.port + 1)
        link.client.port += 1
        path.run(milliseconds: 1_000)
        #expect(link.engine.selectedTuple == tuple)
        path.run(milliseconds: 4_000)
        path.viewer.finish(at: path.now)
        say("N13 asked", path)
        #expect(path.viewer.player.longestInterval < 1_000_000_000)
        #expect(path.viewer.player.shown > 3 * 30)
    }

    @Test func n14NothingIsTooLargeForAPathOf1280Bytes() throws {
        let path = try QualityPath(seed: 3)
        // Without 28 bytes of IPv4 and UDP headers.
        path.downlink.down.conditions.maximumSize = 1_252
        path.run(milliseconds: 5_000)
        #expect(path.downlink.down.tooLarge == 0)
        #expect(path.viewer.player.freezes == 0)
        #expect(path.viewer.player.shown > 4 * 30)
    }
}
