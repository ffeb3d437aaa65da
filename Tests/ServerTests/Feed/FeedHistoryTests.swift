import HTTP
import TestKit
import Testing
import Wire

@testable import Server

struct FeedHistoryTests {
    @Test func aChangeTellsTheWholeStateOfItsRoom() throws {
        var history = FeedHistory(epoch: "e")
        var events: [String] = []
        for state in [FeedRoom("cam1"), FeedRoom("cam1", viewers: 2), nil] {
            if let entry = history.update("cam1", to: state, at: .seconds(1)) {
                events.append(String(decoding: entry.bytes, as: UTF8.self))
            }
        }
        try #require(events.count == 3)
        #expect(
            events[0] == """
                event: room.created
                id: e-1
                data: {"name":"cam1","id":7,"publisher":null,"standbys":[],"tracks":[{"kind":"video","codec":"H264"}],"viewers":0}


                """)
        #expect(events[1].hasPrefix("event: room.updated\nid: e-2\n"))
        #expect(events[2] == "event: room.closed\nid: e-3\ndata: {\"name\":\"cam1\"}\n\n")
    }

    @Test func nothingNewMakesNoEvent() {
        var history = FeedHistory(epoch: "e")
        #expect(history.update("a", to: nil, at: .seconds(1)) == nil)
        #expect(history.update("a", to: FeedRoom("a"), at: .seconds(1)) != nil)
        #expect(history.update("a", to: FeedRoom("a"), at: .seconds(2)) == nil)
        #expect(history.lastNumber == 1)
    }

    @Test func aNewClientGetsASnapshotOfWhatItMaySee() {
        var history = FeedHistory(epoch: "e")
        for name in ["b", "a", "private"] { _ = history.update(name, to: FeedRoom(name), at: .seconds(1)) }
        var client = FeedClient()
        client.read(history.beginning(after: nil) { $0 != "private" })
        #expect(client.events.map(\.type) == ["snapshot"])
        #expect(client.lastEventID == "e-3")
        #expect(client.rooms == FeedClient.picture(of: [FeedRoom("a"), FeedRoom("b")]))
    }

    @Test(arguments: ["", "e", "e-", "e-4", "e--1", "other-1", "e-1-1", "e-99999999999999999999", "e-x"])
    func anIdThatSaysNothingHereMeansReset(id: String) {
        var history = FeedHistory(epoch: "e")
        for number in 0..<3 { _ = history.update("a", to: FeedRoom("a", viewers: number), at: .seconds(1)) }
        var client = FeedClient()
        client.read(history.beginning(after: id) { _ in true })
        #expect(client.events.map(\.type) == ["reset", "snapshot"])
    }

    @Test func missedEventsAreToldAgainAndPrivateOnesAreNot() {
        var history = FeedHistory(epoch: "e")
        for name in ["a", "private", "b"] { _ = history.update(name, to: FeedRoom(name), at: .seconds(1)) }
        _ = history.update("private", to: nil, at: .seconds(1))
        var client = FeedClient()
        client.read(history.beginning(after: "e-1") { $0 != "private" })
        #expect(client.events.map(\.id) == ["e-3"])
        client.read(history.beginning(after: "e-4") { _ in true })
        #expect(client.events.count == 1)
    }

    @Test func anEpochMayHoldDashes() {
        var history = FeedHistory(epoch: "a-b")
        _ = history.update("x", to: FeedRoom("x"), at: .seconds(1))
        #expect(history.beginning(after: "a-b-1") { _ in true }.isEmpty)
    }

    @Test func aThousandEventsAreKeptHoweverOldAndMoreForFiveMinutes() {
        var history = FeedHistory(epoch: "e")
        for number in 1...20_000 {
            _ = history.update("a", to: FeedRoom("a", viewers: number), at: .milliseconds(UInt64(number)))
        }
        #expect(history.entryCount >= FeedHistory.minimumEntries)
        #expect(history.entryCount < FeedHistory.maximumEntries * 9 / 8 + 1)
        for number in 20_001...22_000 {
            _ = history.update("a", to: FeedRoom("a", viewers: number), at: .seconds(UInt64(number)))
        }
        #expect(history.entryCount >= FeedHistory.minimumEntries)
        var client = FeedClient()
        client.read(history.beginning(after: "e-21000") { _ in true })
        #expect(client.events.count == 1_000)
        client.read(history.beginning(after: "e-2") { _ in true })
        #expect(client.events.dropFirst(1_000).map(\.type) == ["reset", "snapshot"])
    }

    @Test func aClientCutOffAtRandomEndsWithTheServersPicture() {
        var random = SplitMix64(seed: 41)
        var history = FeedHistory(epoch: "e")
        var client = FeedClient()
        var isConnected = false
        let names = (0..<20).map { "room\($0)" }
        var rooms: [String: FeedRoom] = [:]
        for step in 0..<10_000 {
            let name = names[Int(random.next() % 20)]
            rooms[name] = random.next() % 4 == 0 ? nil : FeedRoom(name, viewers: Int(random.next() % 5))
            let entry = history.update(name, to: rooms[name], at: .milliseconds(UInt64(step)))
            if isConnected, let entry { client.read(entry.bytes) }
            guard random.next() % 10 == 0 else { continue }
            isConnected.toggle()
            if isConnected { client.read(history.beginning(after: client.lastEventID) { _ in true }) }
        }
        if !isConnected { client.read(history.beginning(after: client.lastEventID) { _ in true }) }
        #expect(client.rooms == FeedClient.picture(of: Array(rooms.values)))
    }
}

struct RoomFilterTests {
    @Test func namesAndPrefixesChoose() throws {
        let filter = try #require(RoomFilter(["cam1", "live/*"]))
        #expect(filter.matches("cam1") && filter.matches("live/a") && filter.matches("live/a/b"))
        #expect(!filter.matches("cam2") && !filter.matches("live") && !filter.matches("cam1/x"))
        #expect(RoomFilter([])?.matches("anything") == true)
        #expect(RoomFilter(["*"])?.matches("anything") == true)
    }

    @Test(arguments: [[""], ["a b"], ["a**"], ["../x"], ["a\r\nb"], Array(repeating: "a", count: 65)])
    func whatCanMatchNoRoomIsRefused(values: [String]) {
        #expect(RoomFilter(values) == nil)
    }
}
