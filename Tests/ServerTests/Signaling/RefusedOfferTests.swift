import HTTP
import Loop
import Synchronization
import Testing
import WebRTC
import Wire

@testable import Server

/// Offers that make no session are told to the operator as well as to the client.
@Suite struct RefusedOfferTests {
    private final class Told: Sendable {
        private let failures = Mutex<[SessionFailure]>([])

        init(_ hub: EventHub) {
            _ = hub.subscribe { [weak self] record in
                guard case .sessionFailed(_, let failure) = record.event else { return }
                self?.failures.withLock { $0.append(failure) }
            }
        }

        var all: [SessionFailure] { failures.withLock { $0 } }
    }

    private func entries(_ server: ServerHarness) -> [FailureBook.Entry] {
        server.service.failures.all(at: MonotonicClock.now)
    }

    @Test func everyRefusalHasItsReason() async throws {
        let settings = ServerSettings.made {
            $0.webrtcCounterOffers = false
            $0.everyPath {
                $0.maxReaders = 1
                $0.overridePublisher = false
            }
        }
        try await ServerHarness.with(settings) { server in
            let told = Told(server.hub)
            let publisher = try Offers.publisher()
            let viewer = try Offers.viewer()
            #expect(try await server.post("/a/whep", viewer).status == 409)
            _ = try await server.session("/a/whip", publisher)
            #expect(try await server.post("/a/whip", publisher).status == 409)
            #expect(
                try await server.post("/a/whep", Offers.make(direction: "recvonly", audio: false, videoCodec: "H265"))
                    .status == 422)
            _ = try await server.session("/a/whep", viewer)
            #expect(try await server.post("/a/whep", viewer).status == 503)
            #expect(try await server.post("/a/whip", "junk").status == 400)
            #expect(
                try await server.respond(.post, "/a/whip", headers: ["Content-Type": "text/plain"], body: "x").status
                    == 415)
            #expect(await eventually { told.all.count == 6 })
            let all = told.all
            try #require(all.count == 6)
            #expect(
                all.map(\.reason) == [
                    .nobodyPublishes, .conflict, .negotiationFailed, .limitReached, .negotiationFailed,
                    .negotiationFailed,
                ])
            #expect(all.map(\.role) == [.viewer, .publisher, .viewer, .viewer, .publisher, .publisher])
            for failure in all {
                #expect(failure.progress == .refused && failure.peer == nil && failure.remote != nil)
                #expect(!failure.detail.isEmpty)
                #expect(failure.advice != nil || failure.reason == .nobodyPublishes)
            }
            #expect(all[3].detail.contains("maxReaders"))
            #expect(entries(server).map(\.failure) == all.reversed())
            #expect(server.service.refusals.counts.map(\.count) == [1, 2, 1, 1, 1])
        }
    }

    @Test func tokensAndUnknownRoomsAreTold() async throws {
        let settings = try SignalingFixture.settings("paths:\n  a:\n    publishToken: right\n")
        try await ServerHarness.with(settings) { server in
            let told = Told(server.hub)
            let (publisher, viewer) = (try Offers.publisher(), try Offers.viewer())
            #expect(try await server.post("/a/whip", publisher).status == 401)
            #expect(try await server.post("/other/whep", viewer).status == 404)
            // What is no room of the configuration is told only to those who may know.
            #expect(try await server.post("/other/whip", publisher).status == 401)
            #expect(told.all.map(\.reason) == [.unauthorized, .unknownRoom])
        }
    }

    @Test func whoAsksAgainAndAgainIsToldOnceAndCounted() async throws {
        try await ServerHarness.with { server in
            let told = Told(server.hub)
            let offer = try Offers.viewer()
            for _ in 0..<20 { #expect(try await server.post("/a/whep", offer).status == 409) }
            #expect(told.all.count == 1)
            #expect(server.service.refusals.counts.map(\.count) == [20])
            #expect(entries(server).map(\.count) == [20])
        }
    }

    @Test func oneAddressDoesNotFillTheFeed() {
        let hub = EventHub()
        let book = FailureBook()
        let offers = RefusedOffers(failures: book, hub: hub)
        let told = Told(hub)
        let remote = SocketAddress(ipv4: 0xC633_6407, port: 1)
        for number in 0..<1_000 {
            offers.refused(.viewer, in: "room\(number)", from: remote, .unknownRoom, "", at: .seconds(10))
        }
        #expect(told.all.count == RefusedOffers.toldBurst)
        offers.refused(.viewer, in: "a", from: SocketAddress(ipv4: 1, port: 1), .unknownRoom, "", at: .seconds(10))
        #expect(told.all.count == RefusedOffers.toldBurst + 1)
        #expect(offers.counts.map(\.count) == [1_001])
    }

    @Test(arguments: [EndReason.nobodyPublishes, .limitReached])
    func whatAWholeAudienceMeetsIsToldOncePerRoom(reason: EndReason) {
        let hub = EventHub()
        let book = FailureBook()
        let offers = RefusedOffers(failures: book, hub: hub)
        let told = Told(hub)
        func poll(_ room: String, at second: UInt64) {
            for client in 0..<1_000 as Range<UInt32> {
                let remote = SocketAddress(ipv4: 0x0A00_0000 + client, port: 1)
                offers.refused(.viewer, in: room, from: remote, reason, "the limit", at: .seconds(second))
            }
        }
        for second in [10, 12] as [UInt64] { poll("a", at: second) }
        #expect(told.all.count == 1)
        poll("b", at: 14)
        #expect(told.all.count == 2)
        for second in [16, 69] as [UInt64] { poll("a", at: second) }
        #expect(told.all.count == 2)
        poll("a", at: 70)
        #expect(told.all.count == 3)
        #expect(offers.counts.map(\.count) == [6_000])
        #expect(book.all(at: .seconds(70)).count == FailureBook.maximumEntries)
    }

    @Test func manyAddressesDoNotFillTheFeed() {
        let hub = EventHub()
        let offers = RefusedOffers(failures: FailureBook(), hub: hub)
        let told = Told(hub)
        func ask(at second: UInt64, _ reason: EndReason = .unknownRoom) {
            for client in 0..<1_000 as Range<UInt32> {
                let remote = SocketAddress(ipv4: 0x0A00_0000 + client, port: 1)
                offers.refused(.viewer, in: "room\(client)", from: remote, reason, "", at: .seconds(second))
            }
        }
        ask(at: 10)
        #expect(told.all.count == RefusedOffers.toldBurstInAll)
        ask(at: 11)
        #expect(told.all.count == RefusedOffers.toldBurstInAll + RefusedOffers.toldPerSecondInAll)
        // What was not told for want of a place is news still.
        ask(at: 12, .nobodyPublishes)
        ask(at: 13, .nobodyPublishes)
        #expect(told.all.count == RefusedOffers.toldBurstInAll + 3 * RefusedOffers.toldPerSecondInAll)
    }

    @Test func whatGoesOnIsNewsAgainAfterAWhile() {
        let hub = EventHub()
        let offers = RefusedOffers(failures: FailureBook(), hub: hub)
        let told = Told(hub)
        let remote = SocketAddress(ipv4: 0xC633_6407, port: 1)
        for second in 0..<121 as Range<UInt64> {
            offers.refused(.viewer, in: "a", from: remote, .nobodyPublishes, "", at: .seconds(10 + second))
        }
        #expect(told.all.count == 3)
    }

    @Test func anUnansweredCounterOfferIsAFailure() async throws {
        try await ServerHarness.with { server in
            let told = Told(server.hub)
            // Time is told by the test.
            await server.service.counterOffers.use(lifetimeSeconds: 3_600)
            _ = try await server.session("/a/whip", Offers.publisher())
            let offer = try Offers.make(direction: "recvonly", videoCodec: "H265")
            #expect(try await server.post("/a/whep", offer).status == 406)
            #expect(told.all.isEmpty)
            await server.service.counterOffers.expire(at: MonotonicClock.now.advanced(bySeconds: 3_601))
            #expect(await eventually { told.all.map(\.reason) == [.negotiationFailed] })
            #expect(told.all.first?.detail.hasSuffix("the counter-offer was not answered") == true)
        }
    }

    @Test func aCounterOfferThatIsGivenUpIsAFailure() async throws {
        try await ServerHarness.with { server in
            let told = Told(server.hub)
            await server.service.counterOffers.use(lifetimeSeconds: 3_600)
            _ = try await server.session("/a/whip", Offers.publisher())
            let refused = try await server.post("/a/whep", Offers.make(direction: "recvonly", videoCodec: "H265"))
            let location = try #require(refused.headers["Location"])
            #expect(try await server.respond(.delete, location).status == 200)
            #expect(try await server.respond(.delete, location).status == 404)
            #expect(told.all.map(\.reason) == [.negotiationFailed])
            #expect(told.all.first?.detail.hasSuffix("the client gave the counter-offer up") == true)
        }
    }

    @Test func requestsOverRTSPAreToldOfApartFromOffers() {
        let (failures, hub) = (FailureBook(), EventHub())
        let offers = RefusedOffers(failures: failures, hub: hub)
        let remote = SocketAddress(ipv4: 0xC000_0207, port: 5_000)
        offers.refused(.viewer, in: "a", from: remote, .unauthorized, "wrong", at: .seconds(10))
        for second in 10..<13 {
            offers.refused(
                .viewer, in: "a", from: remote, by: .rtsp, .unauthorized, "wrong", at: .seconds(UInt64(second)))
        }
        let entries = failures.all(at: .seconds(13))
        #expect(entries.map(\.failure.protocol) == [.rtsp, .whep])
        #expect(entries.map(\.count) == [3, 1])
        #expect(entries.first?.failure.reached == "the request was refused")
        #expect(entries.first?.failure.advice?.contains("password") == true)
        #expect(entries.last?.failure.advice?.contains("stream key") == true)
        #expect(offers.counts.map(\.count) == [4])
    }

    @Test func anAnswerThatMayBeFollowedByAnotherIsNoFailure() async throws {
        try await ServerHarness.with { server in
            let told = Told(server.hub)
            await server.service.counterOffers.use(lifetimeSeconds: 3_600)
            _ = try await server.session("/a/whip", Offers.publisher())
            func patch(_ location: String, _ body: String) async throws -> Int {
                let headers: HTTPHeaders = ["Content-Type": "application/sdp"]
                return try await server.respond(.patch, location, headers: headers, body: body).status
            }
            let offer = try Offers.make(direction: "recvonly", videoCodec: "H265")
            let first = try await server.post("/a/whep", offer)
            let location = try #require(first.headers["Location"])
            #expect(try await patch(location, "junk") == 400)
            #expect(try await patch(location, CounterOfferRoutesTests.answer(to: bodyText(first))) == 204)
            #expect(told.all.isEmpty && entries(server).isEmpty && server.service.refusals.counts.isEmpty)

            // Nor does it count twice when no other follows.
            let second = try await server.post("/a/whep", offer)
            let forgotten = try #require(second.headers["Location"])
            #expect(try await patch(forgotten, "junk") == 400)
            await server.service.counterOffers.expire(at: MonotonicClock.now.advanced(bySeconds: 3_601))
            #expect(try await patch(forgotten, "junk") == 404)
            #expect(told.all.map(\.reason) == [.negotiationFailed])
            #expect(server.service.refusals.counts.map(\.count) == [1])

            // What ends the counter-offer is told.
            let third = try await server.post("/a/whep", offer)
            let late = try #require(third.headers["Location"])
            _ = try await server.session("/a/whip", Offers.make(direction: "sendonly", videoCodec: "VP9"))
            #expect(try await patch(late, CounterOfferRoutesTests.answer(to: bodyText(third))) == 409)
            #expect(told.all.map(\.reason) == [.negotiationFailed, .conflict])
        }
    }

    @Test func operatorsReadItInLogAndReport() async throws {
        let fixture = try await SignalingFixture()
        #expect(try await fixture.post("/cam1/whip", "junk").status == 400)
        #expect(try await fixture.post("/cam2/whep", SignalingFixture.offer("chromium156-recvonly")).status == 409)
        #expect(
            await eventually {
                fixture.logText.contains("WAR [room cam1] offer refused role=publisher protocol=whip")
                    && fixture.logText.contains("INF [room cam2] offer refused role=viewer protocol=whep")
            })
        let line = fixture.logText.split(separator: "\n").first { $0.contains("[room cam1] offer refused") } ?? ""
        #expect(line.contains("negotiationFailed") && line.contains("advice=") && line.contains("remote=127.0.0.1"))
        let check = try await fixture.request("GET", "/check")
        #expect(
            check.body.contains(
                "publisher in cam1 by whip: negotiationFailed: asked from 127.0.0.1; the offer was refused"))
        await fixture.stop()
    }
}
