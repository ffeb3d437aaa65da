import Glibc
import Loop
import TestKit
import Testing
import Wire

@Suite struct DatagramSenderTests {
    /// Sends what `script` says to two receivers and compares, datagram by datagram.
    @Test(arguments: [true, false], 1...4 as ClosedRange<UInt64>)
    func everyMixOfSizesAndDestinationsArrivesAsWritten(usesSegmentation: Bool, seed: UInt64) async throws {
        try await withStage { stage in
            var settings = UDPSocket.Settings()
            settings.usesSegmentation = usesSegmentation
            let sending = try UDPSocket(binding: .loopback(), settings: settings)
            let receiving = [try UDPSocket(binding: .loopback()), try UDPSocket(binding: .loopback())]
            let script = Self.script(seed: seed)
            let done = Event<[[UInt64]]>()
            try await stage.run { stage in
                let loop = stage.eventLoop
                let received = Received()
                for (index, socket) in receiving.enumerated() {
                    let receiver = try UDPReceiver(socket, on: loop) { batch in
                        for datagram in 0..<batch.count {
                            received.digests[index].append(batch.withBytes(at: datagram) { digest($0.array) })
                        }
                        if received.digests[0].count + received.digests[1].count == script.count {
                            done.happen(received.digests)
                        }
                    }
                    stage.keep(receiver)
                }
                let sender = try DatagramSender(on: loop, sockets: [sending])
                for (destination, bytes) in script {
                    #expect(sender.send(bytes, to: receiving[destination].localAddress))
                }
                stage.keep(sender)
            }
            let expected = (0..<2).map { index in script.filter { $0.0 == index }.map { digest($0.1) } }
            #expect(await done.value == expected)
            try await stage.run { stage in
                let sender = try #require(stage.kept.last as? DatagramSender)
                let statistics = sender.statistics
                #expect(statistics.datagrams == UInt64(script.count))
                #expect(statistics.bytes == script.reduce(0) { $0 + UInt64($1.1.count) })
                #expect((statistics.segmentedMessages > 0) == (usesSegmentation && sending.isSegmenting))
                #expect(statistics.droppedQueueFull == 0 && statistics.droppedUnsendable == 0)
            }
        }
    }

    /// Runs of equal sizes, shorter and longer ones in between, switches of destination, more than 64 in a row.
    private static func script(seed: UInt64) -> [(Int, [UInt8])] {
        var random = SplitMix64(seed: seed)
        var script: [(Int, [UInt8])] = []
        while script.count < 250 {
            let destination = Int.random(in: 0...1, using: &random)
            let size = Int.random(in: 20...1_300, using: &random)
            let run = [1, 2, 5, 70].randomElement(using: &random) ?? 1
            for _ in 0..<run { script.append((destination, random.bytes(size))) }
            if Bool.random(using: &random) {
                script.append((destination, random.bytes(Int.random(in: 1...size, using: &random))))
            }
        }
        return script
    }

    @Test func oneRunIsOneMessageAndOneSystemCall() async throws {
        try await withStage { stage in
            let sending = try UDPSocket(binding: .loopback())
            let target = try UDPSocket(binding: .loopback())
            try #require(sending.isSegmenting)
            let statistics = try await stage.run { stage in
                let sender = try DatagramSender(on: stage.eventLoop, sockets: [sending])
                for size in [1_000, 1_000, 1_000, 400] {
                    #expect(sender.send(.init(repeating: 7, count: size), to: target.localAddress))
                }
                // A shorter datagram ends a run.
                #expect(sender.send(.init(repeating: 7, count: 400), to: target.localAddress))
                sender.flush()
                sender.flush()
                return sender.statistics
            }
            #expect(statistics.systemCalls == 1)
            #expect(statistics.datagrams == 5)
            #expect(statistics.segmentedMessages == 1)
        }
    }

    /// Runs that go to several addresses, some from a later packet on, with other datagrams in between; in arenas that hold
    /// all of it, and in the smallest, where runs are sent in the midst of it and the largest does not fit.
    @Test(arguments: [256 << 10, 1], [true, false])
    func aRunReachesEveryAddressAsItIs(byteCapacity: Int, usesSegmentation: Bool) async throws {
        try await withStage { stage in
            var settings = UDPSocket.Settings()
            settings.usesSegmentation = usesSegmentation
            let sending = try UDPSocket(binding: .loopback(), settings: settings)
            let receiving = try (0..<3).map { _ in try UDPSocket(binding: .loopback()) }
            let done = Event<[[UInt64]]>()
            let runs = Self.runs()
            var expected: [[UInt64]] = [[], [], []]
            for run in runs {
                for destination in 0..<3 {
                    expected[destination] += run.dropFirst(destination).map { digest($0) }
                    expected[destination].append(digest([UInt8(destination)]))
                }
            }
            let total = expected.joined().count
            try await stage.run { stage in
                let received = Received(count: 3)
                for (index, socket) in receiving.enumerated() {
                    let receiver = try UDPReceiver(socket, on: stage.eventLoop) { batch in
                        for datagram in 0..<batch.count {
                            received.digests[index].append(batch.withBytes(at: datagram) { digest($0.array) })
                        }
                        if received.digests.joined().count == total { done.happen(received.digests) }
                    }
                    stage.keep(receiver)
                }
                var settings = DatagramSender.Settings()
                settings.byteCapacity = byteCapacity
                let sender = try DatagramSender(on: stage.eventLoop, sockets: [sending], settings: settings)
                for run in runs {
                    var batch = PacketBatch(byteCapacity: 256 << 10, packetCapacity: 100)
                    for packet in run { packet.withBytes { _ = batch.append(copying: $0) } }
                    let number = DatagramSender.nextRunNumber()
                    for (destination, socket) in receiving.enumerated() {
                        let first = min(destination, batch.count)
                        let suits = sender.append(
                            batch, number: number, from: first, to: socket.localAddress, from: .any())
                        #expect(suits)
                        #expect(sender.send([UInt8(destination)], to: socket.localAddress))
                    }
                }
                sender.flush()
                #expect(sender.statistics.datagrams == UInt64(total))
                #expect(sender.statistics.droppedQueueFull == 0 && sender.statistics.droppedUnsendable == 0)
                stage.keep(sender)
            }
            #expect(await done.value == expected)
        }
    }

    private static func runs() -> [[[UInt8]]] {
        var random = SplitMix64(seed: 5)
        var runs: [[[UInt8]]] = [[]]
        for (count, size) in [(70, 1_000), (1, 300), (5, 200), (64, 1_100), (3, 1_200)] as [(Int, Int)] {
            var run: [[UInt8]] = []
            for _ in 0..<count { run.append(random.bytes(size)) }
            run.append(random.bytes(size / 3))
            runs.append(run)
        }
        return runs
    }

    @Test func runsOfAllLoopsHaveNumbersOfTheirOwn() async {
        let numbers = await withTaskGroup(of: [UInt64].self, returning: [UInt64].self) { group in
            for _ in 0..<4 { group.addTask { (0..<1_000).map { _ in DatagramSender.nextRunNumber() } } }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(Set(numbers).count == 4_000)
    }

    @Test func whatManyGetLiesInTheArenaOnce() async throws {
        try await withStage { stage in
            let sending = try UDPSocket(binding: .loopback())
            let target = try UDPSocket(binding: .loopback())
            try #require(sending.isSegmenting)
            let statistics = try await stage.run { stage in
                // Ten times the run would not fit.
                var settings = DatagramSender.Settings()
                settings.byteCapacity = 70_000
                let sender = try DatagramSender(on: stage.eventLoop, sockets: [sending], settings: settings)
                var batch = PacketBatch(byteCapacity: 64 << 10, packetCapacity: 30)
                let packet = [UInt8](repeating: 9, count: 1_000)
                for _ in 0..<30 { packet.withBytes { _ = batch.append(copying: $0) } }
                let number = DatagramSender.nextRunNumber()
                for _ in 0..<10 {
                    sender.append(batch, number: number, from: 0, to: target.localAddress, from: .any())
                }
                sender.flush()
                return sender.statistics
            }
            #expect(statistics.systemCalls == 1)
            #expect(statistics.segmentedMessages == 10 && statistics.datagrams == 300)
        }
    }

    @Test func whatTheKernelWillNotCutIsSentOneByOne() async throws {
        try await withStage { stage in
            let sending = try UDPSocket(binding: .loopback())
            let target = try UDPSocket(binding: .loopback())
            try #require(sending.isSegmenting)
            // Linux refuses to cut for sockets that send without checksums.
            setOption(sending, SOL_SOCKET, SO_NO_CHECK, 1)
            let done = Event<Void>()
            try await stage.run { stage in
                let receiver = try UDPReceiver(target, on: stage.eventLoop) { batch in
                    stage.count += batch.count
                    if stage.count == 200 { done.happen() }
                }
                stage.keep(receiver)
                let sender = try DatagramSender(on: stage.eventLoop, sockets: [sending])
                for round in 1...20 {
                    for _ in 0..<10 {
                        #expect(sender.send(.init(repeating: UInt8(round), count: 500), to: target.localAddress))
                    }
                    sender.flush()
                }
                #expect(sender.statistics.datagrams == 200)
                #expect(sender.statistics.refusedSegmentations == 16)
                #expect(sender.statistics.segmentedMessages == 0)
            }
            await done.value
            #expect(!sending.isSegmenting)
        }
    }

    @Test func aFullSocketDropsAndCounts() async throws {
        try await withStage { stage in
            var settings = UDPSocket.Settings()
            settings.sendBufferSize = 2_048
            let sending = try UDPSocket(binding: .loopback6(), settings: settings)
            let target = try UDPSocket(binding: .loopback6())
            // The loopback interface never keeps a sender waiting, but the pieces of one large datagram must all fit.
            let ipv6MTU: CInt = 24
            setOption(sending, CInt(IPPROTO_IPV6), ipv6MTU, 1_280)
            let heard = Event<Int>()
            let statistics = try await stage.run { stage in
                let receiver = try UDPReceiver(target, on: stage.eventLoop) { batch in
                    heard.happen(batch.byteCount(at: 0))
                }
                stage.keep(receiver)
                let sender = try DatagramSender(on: stage.eventLoop, sockets: [sending])
                for _ in 0..<3 {
                    #expect(sender.send(.init(repeating: 1, count: 60_000), to: target.localAddress))
                }
                #expect(sender.send(.init(repeating: 1, count: 100), to: target.localAddress))
                sender.flush()
                return sender.statistics
            }
            #expect(statistics.droppedQueueFull == 3)
            #expect(statistics.latestError == ENOBUFS || statistics.latestError == EAGAIN)
            #expect(statistics.datagrams == 1)
            #expect(await heard.value == 100)
        }
    }

    @Test func errorsOfOneDestinationDoNotTouchTheOthers() async throws {
        try await withStage { stage in
            let sending = try UDPSocket(binding: .any())
            let target = try UDPSocket(binding: .loopback())
            let heard = Event<Int>()
            let dead: SocketAddress = try {
                let socket = try UDPSocket(binding: .loopback())
                return socket.localAddress
            }()
            try await stage.run { stage in
                let receiver = try UDPReceiver(target, on: stage.eventLoop) { batch in
                    stage.count += batch.count
                    if stage.count == 8 { heard.happen(stage.count) }
                }
                // The sending socket hears of the port nobody listens on.
                let own = try UDPReceiver(sending, on: stage.eventLoop) { _ in }
                stage.keep(receiver)
                stage.keep(own)
                let sender = try DatagramSender(on: stage.eventLoop, sockets: [sending])
                for _ in 0..<8 {
                    _ = sender.send([1, 2], to: dead)
                    // A source address this machine does not have.
                    _ = sender.send([1, 2], to: target.localAddress, from: SocketAddress(ipv4: 0xC000_0201, port: 0))
                    _ = sender.send([1, 2], to: target.localAddress)
                    sender.flush()
                }
                let statistics = sender.statistics
                #expect(statistics.droppedUnsendable == 8)
                #expect(statistics.datagrams == 16)
                // No socket for this family.
                #expect(!sender.send([1], to: .loopback6(port: 9)))
                #expect(sender.statistics.droppedUnsendable == 9)
            }
            #expect(await heard.value == 8)
        }
    }

    @Test func nothingIsLostWhenOneTurnSendsMoreThanTheArenaHolds() async throws {
        try await withStage { stage in
            let sending = try UDPSocket(binding: .loopback())
            let target = try UDPSocket(binding: .loopback())
            let done = Event<Int>()
            try await stage.run { stage in
                let receiver = try UDPReceiver(target, on: stage.eventLoop) { batch in
                    stage.count += batch.count
                    if stage.count == 400 { done.happen(stage.count) }
                }
                stage.keep(receiver)
                var settings = DatagramSender.Settings()
                settings.byteCapacity = 1
                let sender = try DatagramSender(on: stage.eventLoop, sockets: [sending], settings: settings)
                for _ in 0..<400 { #expect(sender.send(.init(repeating: 3, count: 900), to: target.localAddress)) }
                // Too large for any datagram, and empty.
                #expect(!sender.append(to: target.localAddress, from: .any(), maximumSize: 70_000) { _ in })
                #expect(!sender.append(to: target.localAddress, from: .any(), maximumSize: 100) { _ in })
            }
            #expect(await done.value == 400)
        }
    }
}

private func setOption(_ socket: UDPSocket, _ level: CInt, _ option: CInt, _ value: CInt) {
    var value = value
    let size = socklen_t(MemoryLayout<CInt>.size)
    unsafe #expect(setsockopt(socket.descriptorNumber, level, option, &value, size) == 0)
}

private final class Received {
    var digests: [[UInt64]]

    init(count: Int = 2) { digests = Array(repeating: [], count: count) }
}

/// FNV-1a over length and bytes.
private func digest(_ bytes: [UInt8]) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325 ^ UInt64(bytes.count)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
}
