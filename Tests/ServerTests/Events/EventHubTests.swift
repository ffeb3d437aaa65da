import Codecs
import Dispatch
import Streams
import Synchronization
import Testing
import Wire

@testable import Server

@Suite struct EventHubTests {
    @Test func idsCountFromOneAndClosuresSeeThemInOrder() {
        let hub = EventHub(clock: { 42 })
        let seen = Mutex<[EventRecord]>([])
        let token = hub.subscribe { record in seen.withLock { $0.append(record) } }
        #expect(hub.publish(.serverStarted) == 1)
        #expect(hub.publish(.roomCreated(room: "a")) == 2)
        hub.cancel(token)
        #expect(hub.publish(.serverStopping) == 3)
        #expect(
            seen.withLock { $0 } == [
                EventRecord(id: 1, milliseconds: 42, event: .serverStarted),
                EventRecord(id: 2, milliseconds: 42, event: .roomCreated(room: "a")),
            ])
        #expect(hub.lastID == 3)
    }

    @Test func aSubscriberMayPublishAndOrderHolds() {
        let hub = EventHub()
        let seen = Mutex<[UInt64]>([])
        _ = hub.subscribe { record in
            seen.withLock { $0.append(record.id) }
            if record.id < 5 { hub.publish(.roomCreated(room: "\(record.id)")) }
        }
        _ = hub.subscribe { record in seen.withLock { $0.append(record.id) } }
        hub.publish(.serverStarted)
        #expect(seen.withLock { $0 } == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    }

    @Test func eventsFromManyThreadsReachEverySubscriberInOneOrder() async {
        let hub = EventHub()
        let first = Mutex<[UInt64]>([])
        _ = hub.subscribe { record in first.withLock { $0.append(record.id) } }
        let queue = hub.subscribe(capacity: 10_000)
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask { for index in 0..<100 { hub.publish(.roomCreated(room: "\(task)/\(index)")) } }
            }
        }
        hub.publish(.serverStopping)
        #expect(queue.takeAll().map(\.id) == Array(1...801))
        // The publisher that delivers may be another task than the last to finish.
        #expect(await eventually { first.withLock { $0.count } == 801 })
        #expect(first.withLock { $0 } == Array(1...801))
    }

    @Test func aFullQueueLosesTheNewestAndCounts() {
        let hub = EventHub()
        let queue = hub.subscribe(capacity: 3)
        for index in 0..<10 { hub.publish(.roomCreated(room: "\(index)")) }
        #expect(queue.missed == 7)
        #expect(queue.takeAll().map(\.id) == [1, 2, 3])
        hub.publish(.serverStopping)
        #expect(queue.takeAll().map(\.id) == [11])
    }

    @Test func aReaderWaitsAndFinishes() async {
        let hub = EventHub()
        let queue = hub.subscribe()
        let reader = Task { () -> [UInt64] in
            var ids: [UInt64] = []
            for await record in queue {
                ids.append(record.id)
                if ids.count == 2 { queue.finish() }
            }
            return ids
        }
        hub.publish(.serverStarted)
        hub.publish(.serverStopping)
        #expect(await reader.value == [1, 2])
        #expect(hub.subscriberCount == 0)
        hub.publish(.serverStarted)
        #expect(await queue.next() == nil)
    }

    @Test func cancellingTheReaderEndsTheSubscription() async {
        let hub = EventHub()
        let queue = hub.subscribe()
        let reader = Task { await queue.next() }
        reader.cancel()
        #expect(await reader.value == nil)
        #expect(hub.subscriberCount == 0)
    }

    @Test func aFeedGoesOnWhereItWasCutOff() {
        let hub = EventHub()
        for index in 1...5 { hub.publish(.roomCreated(room: "\(index)")) }
        let queue = hub.subscribe(after: 3)
        hub.publish(.serverStopping)
        #expect(queue.takeAll().map(\.id) == [4, 5, 6])
        #expect(queue.missed == 0)
        #expect(hub.subscribe(after: 6).takeAll().isEmpty)
        #expect(hub.subscribe(after: 99).takeAll().isEmpty)
    }

    @Test func historyIsBoundedAndGapsAreCounted() {
        let hub = EventHub()
        let total = 5 * EventHub.maximumHistory
        for _ in 0..<total { hub.publish(.serverStarted) }
        let queue = hub.subscribe(capacity: .max, after: 0)
        let records = queue.takeAll()
        #expect((EventHub.maximumHistory...2 * EventHub.maximumHistory).contains(records.count))
        #expect(queue.missed == total - records.count)
        #expect(records.last?.id == UInt64(total))
    }

    @Test func aSlowLightSubscriberBoundsWhatWaits() {
        let hub = EventHub()
        let entered = DispatchSemaphore(value: 0)
        let release = DispatchSemaphore(value: 0)
        let count = Atomic<Int>(0)
        _ = hub.subscribe { record in
            if record.id == 1 {
                entered.signal()
                release.wait()
            }
            count.add(1, ordering: .relaxed)
        }
        let finished = DispatchSemaphore(value: 0)
        DispatchQueue(label: "publisher").async {
            hub.publish(.serverStarted)
            finished.signal()
        }
        entered.wait()
        for _ in 0..<EventHub.maximumUndelivered + 10 { hub.publish(.serverStarted) }
        #expect(hub.dropped == 10)
        release.signal()
        finished.wait()
        #expect(count.load(ordering: .relaxed) == EventHub.maximumUndelivered + 1)
    }
}

@Suite struct LogSubscriberTests {
    private let peer = PeerDescription(
        id: PeerID(7), protocol: .whip, remote: SocketAddress(ipv4: 0xC000_0201, port: 5_000))

    @Test func everyEventIsALineSomebodyCanActOn() {
        let test = TestLog()
        let hub = EventHub()
        LogSubscriber.attach(test.logger, to: hub)
        var viewer = peer
        viewer.id = PeerID(8)
        viewer.protocol = .whep
        let events: [ServerEvent] = [
            .serverStarted, .roomCreated(room: "cam1"), .publisherStarted(room: "cam1", peer),
            .trackAdded(room: "cam1", TrackID(1), .video, .h264),
            .trackCodecChanged(room: "cam1", TrackID(1), from: .h264, to: .vp8), .viewerJoined(room: "cam1", viewer),
            .viewerLeft(room: "cam1", viewer, .silent), .publisherReplaced(room: "cam1", old: peer, new: viewer),
            .publisherStopped(room: "cam1", peer, .left), .publisherStopped(room: "cam1", peer, .dtlsFailed),
            .sessionFailed(
                room: "cam1",
                SessionFailure(
                    role: .viewer, protocol: .whep, peer: viewer.id, remote: viewer.remote,
                    reason: .iceNeverConnected, candidates: ["udp 192.0.2.9:8189"], seconds: 30, detail: "no check")),
            .sessionFailed(
                room: "cam1",
                SessionFailure(
                    role: .viewer, protocol: .whep, reason: .limitReached, progress: .refused, detail: "maxReaders")),
            .sessionFailed(
                room: "cam1",
                SessionFailure(role: .viewer, protocol: .whep, reason: .nobodyPublishes, progress: .refused)),
            .roomClosed(room: "cam1"), .certificateReloaded(path: "c.pem"),
            .certificateReloadFailed(path: "c.pem", reason: "no such file"), .settingsReloaded(version: 2),
            .serverStopping, .standbyJoined(room: "cam1", viewer), .standbyLeft(room: "cam1", viewer),
            .publisherSwitched(room: "cam1", from: peer, to: viewer, .publisherSilent),
            .publisherSwitched(room: "cam1", from: nil, to: viewer, .publisherEnded),
            .soundConverted(room: "cam1", codec: "AAC", decoder: "aac 59"),
            .soundOmitted(room: "cam1", codec: "AAC", "no transcoder", advice: "install it"),
        ]
        for event in events { hub.publish(event) }
        let lines = test.text.split(separator: "\n").map { String($0.dropFirst(25)) }
        #expect(lines.count == events.count)
        #expect(Set(events.map(\.name)).count == 20)
        #expect(lines.contains("INF [room cam1] publisher connected peer=peer-7 protocol=whip remote=192.0.2.1:5000"))
        #expect(
            lines.contains(
                "WAR [room cam1] viewers see another publisher now peer=peer-8 protocol=whep remote=192.0.2.1:5000 "
                    + "from=peer-7 to=peer-8 reason=silent"))
        #expect(lines.contains("INF [room cam1] track codec changed track=track-1 from=H264 to=VP8"))
        #expect(lines.contains { $0.hasPrefix("WAR [room cam1] publisher disconnected") && $0.contains("dtlsFailed") })
        #expect(
            lines.contains {
                $0.hasPrefix("WAR [room cam1] session failed role=viewer peer=peer-8 protocol=whep")
                    && $0.contains("reason=\"iceNeverConnected: asked from 192.0.2.1, was offered udp 192.0.2.9:8189; ")
                    && $0.contains("webrtcAdditionalHosts")
            })
        #expect(
            lines.contains {
                $0.hasPrefix("WAR [room cam1] offer refused role=viewer protocol=whep reason=\"limitReached: ")
                    && $0.contains("maxReaders") && $0.contains("advice=")
            })
        #expect(lines.contains { $0.hasPrefix("INF [room cam1] offer refused") && $0.contains("nobodyPublishes") })
        #expect(lines.contains("ERR certificate not reloaded, the old one stays path=c.pem reason=\"no such file\""))
    }

    @Test func failuresHaveAdviceAndOrdinaryEndsHaveNone() {
        for reason in EndReason.allCases where !reason.isFailure { #expect(reason.advice == nil) }
        for reason in EndReason.allCases where reason.isFailure && reason != .internalError {
            #expect(reason.advice != nil)
        }
    }
}
