import HTTP
import Testing
import Wire

@testable import Server

struct FeedSubscriberTests {
    private let address = ClientAddress(SocketAddress(ipv4: 0x7F00_0001, port: 1))
    private let heartbeat = Array(":\nid: e-1\n\n".utf8)

    private func subscriber(_ stream: HTTPBodyStream) -> FeedSubscriber {
        FeedSubscriber(
            stream: stream, filter: RoomFilter(), identity: FeedIdentity(nil), address: address, at: .seconds(0))
    }

    private func take(_ stream: HTTPBodyStream) -> [UInt8] {
        var bytes: [UInt8] = []
        while case .bytes(let next) = stream.next(maximumBytes: 1 << 20) { bytes += next }
        return bytes
    }

    @Test func silenceIsBrokenEveryFifteenSeconds() {
        let stream = HTTPBodyStream()
        let subscriber = subscriber(stream)
        var heartbeats: [UInt64] = []
        for second in 1...60 as ClosedRange<UInt64> {
            #expect(subscriber.maintain(heartbeat: heartbeat, at: .seconds(second)))
            if !take(stream).isEmpty { heartbeats.append(second) }
        }
        #expect(heartbeats == [15, 30, 45, 60])
    }

    @Test func aSlowClientGetsTheLatestOfEachRoomInOrder() {
        var history = FeedHistory(epoch: "e")
        let stream = HTTPBodyStream(maximumQueuedBytes: 1_000)
        let subscriber = subscriber(stream)
        var client = FeedClient()
        for number in 1...200 {
            for name in ["a", "b", "c"] {
                if let entry = history.update(name, to: FeedRoom(name, viewers: number), at: .seconds(1)) {
                    #expect(subscriber.deliver(entry, at: .seconds(1)))
                }
            }
        }
        if let entry = history.update("b", to: nil, at: .seconds(1)) {
            #expect(subscriber.deliver(entry, at: .seconds(1)))
        }
        #expect(subscriber.isBehind)
        #expect(stream.queuedBytes <= 1_000)
        client.read(take(stream))
        let early = client.events.count
        #expect(early < 20)
        #expect(subscriber.maintain(heartbeat: heartbeat, at: .seconds(2)))
        client.read(take(stream))
        #expect(!subscriber.isBehind)
        #expect(client.events.count == early + 3)
        #expect(client.rooms == FeedClient.picture(of: [FeedRoom("a", viewers: 200), FeedRoom("c", viewers: 200)]))
        #expect(client.lastEventID == "e-601")
    }

    @Test func whileBehindNothingNewerOvertakes() {
        var history = FeedHistory(epoch: "e")
        let stream = HTTPBodyStream(maximumQueuedBytes: 300)
        let subscriber = subscriber(stream)
        var client = FeedClient()
        for number in 1...10 {
            if let entry = history.update("a", to: FeedRoom("a", viewers: number), at: .seconds(1)) {
                _ = subscriber.deliver(entry, at: .seconds(1))
            }
        }
        #expect(subscriber.isBehind)
        client.read(take(stream))
        subscriber.offer(Array("event: room.quality\ndata: {}\n\n".utf8), at: .seconds(1))
        let failure = history.occurred(
            RoomOccurrence(event: "session.failed", room: "a", json: Array("{}".utf8)), at: .seconds(1))
        #expect(subscriber.deliver(failure, at: .seconds(1)))
        #expect(take(stream).isEmpty)
        #expect(subscriber.lost == 1)
    }

    @Test func aClientWithTooManyChangesToCatchUpBeginsAnew() {
        var history = FeedHistory(epoch: "e")
        let subscriber = subscriber(HTTPBodyStream(maximumQueuedBytes: 1))
        var accepted = 0
        for number in 0..<3_000 {
            guard let entry = history.update("r\(number)", to: FeedRoom("r\(number)"), at: .seconds(1)),
                subscriber.deliver(entry, at: .seconds(1))
            else { break }
            accepted += 1
        }
        #expect(accepted == FeedSubscriber.maximumPendingRooms)
    }

    @Test func aClientThatTakesNothingIsGivenUp() {
        let stream = HTTPBodyStream()
        let subscriber = subscriber(stream)
        var givenUp: UInt64?
        for second in 1...120 as ClosedRange<UInt64> where givenUp == nil {
            if !subscriber.maintain(heartbeat: heartbeat, at: .seconds(second)) { givenUp = second }
        }
        // The first heartbeat is what it does not take.
        #expect(givenUp.map { (30...60).contains($0) } == true)
    }
}
