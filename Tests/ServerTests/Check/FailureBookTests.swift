import Testing
import Wire

@testable import Server

struct FailureBookTests {
    private static let client = SocketAddress(ipv4: 0xC633_6407, port: 4_000)
    private static let other = SocketAddress(ipv4: 0xC633_6408, port: 4_000)

    private func failure(
        _ reason: EndReason = .iceNeverConnected, from remote: SocketAddress = client
    ) -> SessionFailure {
        SessionFailure(
            role: .publisher, protocol: .whip, peer: PeerID(3), remote: remote, reason: reason,
            candidates: ["udp 192.0.2.5:8189", "tcp 192.0.2.5:8189"], seconds: 30, detail: "no check came")
    }

    private func shown(
        _ book: FailureBook, to client: SocketAddress, isOperator: Bool, at now: Instant
    ) -> [CheckFailure] {
        book.all(at: now).compactMap { CheckFailure($0, at: now, for: client, isOperator: isOperator) }
    }

    private func report(_ failures: [CheckFailure]) -> CheckReport {
        var facts = CheckFacts(client: Self.client)
        facts.failures = failures
        return CheckReport(facts)
    }

    @Test func whatFailsAgainInTheSameWayIsOneEntryWithACount() {
        let book = FailureBook()
        for second in 0..<100 as Range<UInt64> {
            book.note(failure(from: Self.client.withPort(UInt16(second))), in: "cam1", at: .seconds(second))
        }
        book.note(failure(.dtlsFailed), in: "cam1", at: .seconds(101))
        book.note(failure(), in: "cam2", at: .seconds(102))
        let entries = book.all(at: .seconds(103))
        #expect(entries.map(\.room) == ["cam2", "cam1", "cam1"])
        #expect(entries.map(\.count) == [1, 1, 100])
        #expect(entries.last?.latest == .seconds(99))
    }

    @Test func theBookIsBoundedAndOneAddressCannotFillIt() {
        let book = FailureBook()
        book.note(failure(from: Self.other), in: "kept", at: .seconds(1))
        for number in 0..<1_000 as Range<UInt64> {
            book.note(failure(), in: "room\(number)", at: .seconds(2 + number))
        }
        var entries = book.all(at: .seconds(1_003))
        #expect(entries.count == FailureBook.maximumEntriesPerAddress + 1)
        #expect(entries.first?.room == "room999" && entries.last?.room == "kept")
        for number in 0..<1_000 as Range<UInt32> {
            book.note(failure(from: SocketAddress(ipv4: number, port: 1)), in: "cam1", at: .seconds(1_004))
        }
        entries = book.all(at: .seconds(1_004))
        #expect(entries.count == FailureBook.maximumEntries)
    }

    @Test func whoWaitsForAPublisherMakesRoomAndNoWarning() throws {
        let book = FailureBook()
        for number in 0..<32 as Range<UInt32> {
            book.note(
                failure(.nobodyPublishes, from: SocketAddress(ipv4: number, port: 1)), in: "cam1", at: .seconds(1))
        }
        var item = try #require(
            report(shown(book, to: Self.client, isOperator: true, at: .seconds(2))).items.first { $0.id == "sessions" })
        #expect(item.status == .ok && item.what == "no session has failed in the last hour")
        #expect(item.failures.count == 32)
        for number in 100..<148 as Range<UInt32> {
            book.note(failure(from: SocketAddress(ipv4: number, port: 1)), in: "cam1", at: .seconds(2))
        }
        item = try #require(
            report(shown(book, to: Self.client, isOperator: true, at: .seconds(2))).items.first { $0.id == "sessions" })
        #expect(item.what.hasPrefix("48 sessions have failed") && item.failures.count == FailureBook.maximumEntries)
    }

    @Test func offersOfACrowdDoNotPushOutSessionsThatFailed() {
        let book = FailureBook()
        for number in 0..<8 as Range<UInt32> {
            book.note(failure(from: SocketAddress(ipv4: number, port: 1)), in: "cam1", at: .seconds(1))
        }
        for number in 100..<1_100 as Range<UInt32> {
            let refused = SessionFailure(
                role: .viewer, protocol: .whep, remote: SocketAddress(ipv4: number, port: 1), reason: .limitReached,
                progress: .refused, detail: "the room is full")
            book.note(refused, in: "cam1", at: .seconds(2))
        }
        let entries = book.all(at: .seconds(3))
        #expect(entries.count == FailureBook.maximumEntries)
        #expect(entries.count { $0.failure.reason == .iceNeverConnected } == 8)
    }

    @Test func anIPv6ClientIsItsNetworkAndOwnsItsOwnAddressAlone() {
        let book = FailureBook()
        func address(_ network: UInt64, _ host: UInt64) -> SocketAddress {
            SocketAddress(ipv6High: 0x2001_0DB8_0000_0000 + network, low: host, port: 1)
        }
        book.note(failure(from: address(1, 1)), in: "kept", at: .seconds(1))
        for host in 0..<1_000 as Range<UInt64> {
            book.note(failure(from: address(2, host)), in: "room\(host)", at: .seconds(2))
        }
        var entries = book.all(at: .seconds(3))
        #expect(entries.count == FailureBook.maximumEntriesPerAddress + 1)
        #expect(entries.last?.room == "kept")
        #expect(shown(book, to: address(2, 999), isOperator: false, at: .seconds(3)).count == 1)
        // The same thing from a neighbour is the same client's.
        book.note(failure(from: address(2, 5_000)), in: "room999", at: .seconds(4))
        entries = book.all(at: .seconds(4))
        #expect(entries.first?.room == "room999" && entries.first?.count == 2)
    }

    @Test func whatIsOldIsForgotten() {
        let book = FailureBook()
        book.note(failure(), in: "cam1", at: .seconds(1))
        #expect(book.all(at: .seconds(3_601)).count == 1)
        #expect(book.all(at: .seconds(3_602)).isEmpty)
    }

    @Test func theOperatorIsToldEverythingAndStrangersOfTheirOwn() throws {
        let book = FailureBook()
        book.note(failure(), in: "secret-room", at: .seconds(10))
        let now = Instant.seconds(15)
        let known = try #require(shown(book, to: Self.other, isOperator: true, at: now).first)
        #expect(known.room == "secret-room" && known.secondsAgo == 5)
        #expect(shown(book, to: Self.other, isOperator: false, at: now).isEmpty)
        let own = try #require(shown(book, to: Self.client.withPort(9), isOperator: false, at: now).first)
        let stranger = report([own]).forStrangers
        for text in [stranger.text, String(decoding: stranger.json, as: UTF8.self)] {
            #expect(text.contains("iceNeverConnected") && !text.contains("secret-room"))
        }
    }

    @Test func whoSeemsLocalOwnsNothing() {
        let local = SocketAddress(ipv4: 0x7F00_0001, port: 1)
        let book = FailureBook()
        book.note(failure(from: local), in: "cam1", at: .seconds(10))
        #expect(shown(book, to: local, isOperator: false, at: .seconds(11)).isEmpty)
        #expect(shown(book, to: local, isOperator: true, at: .seconds(11)).count == 1)
    }

    @Test func theReportSaysWhatWasTriedFromWhereHowFarItCameAndWhatToDo() throws {
        let book = FailureBook()
        book.note(failure(), in: "cam1", at: .seconds(1))
        book.note(failure(), in: "cam1", at: .seconds(10))
        let report = report(shown(book, to: Self.client, isOperator: true, at: .seconds(15)))
        let item = try #require(report.items.first { $0.id == "sessions" })
        #expect(item.status == .warn && item.advice == EndReason.iceNeverConnected.advice)
        #expect(item.what == "2 sessions have failed in the last hour, the latest 5 s ago")
        #expect(
            report.text.contains(
                "5 s ago, 2 times: publisher in cam1 by whip: iceNeverConnected: asked from 198.51.100.7, was offered "
                    + "udp 192.0.2.5:8189, tcp 192.0.2.5:8189; nothing arrived in 30 s; no check came\n"))
        let json = String(decoding: report.json, as: UTF8.self)
        #expect(
            json.contains(
                #""failures":[{"room":"cam1","role":"publisher","protocol":"whip","reason":"iceNeverConnected","#
                    + #""progress":"answered","from":"198.51.100.7","tried":["udp 192.0.2.5:8189","tcp 192.0.2.5:8189"],"#
                    + #""detail":"no check came","advice":"#))
        #expect(json.contains(#""count":2,"secondsAgo":5}]"#))
    }

    @Test func failuresOfLongAgoAreToldAndNoWarning() throws {
        let book = FailureBook()
        book.note(failure(), in: "cam1", at: .seconds(1))
        let report = report(shown(book, to: Self.client, isOperator: true, at: .seconds(602)))
        let item = try #require(report.items.first { $0.id == "sessions" })
        #expect(item.status == .ok && item.failures.count == 1)
    }
}
