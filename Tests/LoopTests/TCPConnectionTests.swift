import Glibc
import Loop
import TestKit
import Testing
import Wire

@Suite struct TCPConnectionTests {
    @Test(arguments: [SocketAddress.loopback(), .loopback6()])
    func largeDataIsEchoedThroughSmallQueues(address: SocketAddress) async throws {
        try await withStage("server") { server in
            try await withStage("client") { client in
                let listening = try await server.listen(on: address) { stage, connection in stage.echo(connection) }
                let sent = SplitMix64.stream(seed: 1, count: 3 << 20)
                let received = Event<[UInt8]>()
                try await client.run { stage in
                    var settings = TCPConnectionSettings()
                    settings.maximumQueuedBytes = 100_000
                    let connection = try TCPConnection.connect(to: listening, on: stage.eventLoop, settings: settings)
                    let feeder = Feeder(connection, sent)
                    let echo = Echo()
                    connection.start(
                        onConnected: { feeder.feed() },
                        onData: { bytes in
                            echo.bytes += bytes.array
                            if echo.bytes.count == sent.count {
                                received.happen(echo.bytes)
                                connection.close()
                            }
                        },
                        onDrained: { feeder.feed() },
                        onClosed: { #expect($0 == .requested) })
                }
                let isSame = await received.value == sent
                #expect(isSame)
                await server.letGo()
            }
        }
    }

    @Test func writesBeyondTheBoundAreRefusedWhole() async throws {
        try await withStage { stage in
            let drained = Event<Void>()
            let accepted = Event<Void>()
            let listening = try await stage.listen(on: .loopback()) { stage, connection in
                connection.start(onData: { bytes in stage.count += bytes.byteCount }, onClosed: { _ in })
                connection.pauseReading()
                stage.keep(connection)
                accepted.happen()
            }
            try await stage.run { stage in
                var settings = TCPConnectionSettings()
                settings.maximumQueuedBytes = 50_000
                let connection = try TCPConnection.connect(to: listening, on: stage.eventLoop, settings: settings)
                connection.start(
                    onConnected: {
                        #expect(!connection.write([UInt8](repeating: 0, count: 50_001)))
                        while connection.write([UInt8](repeating: 1, count: 30_000)) {}
                        #expect(connection.statistics.refusedWrites == 2)
                        #expect(connection.queuedBytes <= 50_000 && connection.queuedBytes > 20_000)
                        stage.note("\(connection.statistics.bytesSent + UInt64(connection.queuedBytes))")
                    },
                    onData: { _ in }, onDrained: { drained.happen() }, onClosed: { _ in })
                stage.keep(connection)
            }
            await accepted.value
            await stage.wait { !$0.log.isEmpty }
            // The peer reads again, and what was taken arrives.
            await stage.run { stage in
                for case let connection as TCPConnection in stage.kept { connection.resumeReading() }
            }
            await drained.value
            let total = await stage.run { Int($0.log[0]) ?? 0 }
            await stage.wait { $0.count >= total }
            #expect(await stage.count == total)
            await stage.closeAll()
        }
    }

    @Test func halfClosedConnectionsStillAnswer() async throws {
        try await withStage { stage in
            let answer = SplitMix64.stream(seed: 2, count: 500_000)
            let listening = try await stage.listen(on: .loopback()) { stage, connection in
                connection.start(
                    onData: { bytes in stage.note(text(bytes)) },
                    onEndOfInput: {
                        #expect(connection.write(answer))
                        connection.close(afterFlush: true)
                    },
                    onClosed: { #expect($0 == .requested) })
            }
            let closed = Event<([UInt8], TCPCloseReason)>()
            try await stage.run { stage in
                let connection = try TCPConnection.connect(to: listening, on: stage.eventLoop)
                let echo = Echo()
                connection.start(
                    onData: { bytes in echo.bytes += bytes.array },
                    onClosed: { reason in closed.happen((echo.bytes, reason)) })
                #expect(connection.write(Array("question".utf8)))
                connection.finishWriting()
                #expect(!connection.write([1]))
            }
            let (bytes, reason) = await closed.value
            #expect(bytes == answer)
            #expect(reason == .peerClosed)
            #expect(await stage.log == ["question"])
        }
    }

    @Test func anOrderlyCloseDeliversEverythingThoughThePeerKeepsSending() async throws {
        try await withStage { stage in
            let answer = [UInt8](repeating: 9, count: 700_000)
            let listening = try await stage.listen(on: .loopback()) { _, connection in
                connection.start(
                    onData: { _ in
                        guard connection.isOpen else { return }
                        #expect(connection.write(answer))
                        connection.close(afterFlush: true)
                        #expect(!connection.isOpen)
                    },
                    onClosed: { _ in })
            }
            let closed = Event<(Int, TCPCloseReason)>()
            try await stage.run { stage in
                let connection = try TCPConnection.connect(to: listening, on: stage.eventLoop)
                connection.start(
                    onData: { bytes in
                        stage.count += bytes.byteCount
                        // More than nobody reads: without lingering this would end in a reset.
                        _ = connection.write([UInt8](repeating: 2, count: 1_000))
                    },
                    onClosed: { reason in closed.happen((stage.count, reason)) })
                #expect(connection.write([1]))
            }
            let (count, reason) = await closed.value
            #expect(count == answer.count)
            #expect(reason == .peerClosed)
        }
    }

    @Test func aPeerThatNeverClosesIsLeftAfterTheLingerTime() async throws {
        try await withStage { stage in
            let closed = Event<TCPCloseReason>()
            let listening = try await stage.listen(on: .loopback(), lingerMilliseconds: 2) { _, connection in
                connection.start(onData: { _ in }, onClosed: { closed.happen($0) })
                #expect(connection.write([1]))
                connection.close(afterFlush: true)
            }
            try await stage.run { stage in
                let connection = try TCPConnection.connect(to: listening, on: stage.eventLoop)
                connection.start(onData: { _ in }, onEndOfInput: {}, onClosed: { _ in })
                stage.keep(connection)
            }
            #expect(await closed.value == .requested)
            await stage.closeAll()
        }
    }

    @Test func anAcceptedSocketMayMoveToAnotherLoop() async throws {
        try await withStage("listening") { listening in
            try await withStage("room") { room in
                let heard = Event<Bool>()
                let address = try await listening.run { stage in
                    let listener = try TCPListener(on: stage.eventLoop, address: .loopback()) { socket in
                        let parcel = Parcel(socket)
                        room.eventLoop.execute {
                            room.onLoop { room in
                                guard let socket = parcel.take() else { return }
                                let connection = TCPConnection(socket, on: room.eventLoop)
                                connection.start(
                                    onData: { _ in heard.happen(room.eventLoop.isCurrent) }, onClosed: { _ in })
                            }
                        }
                    }
                    stage.keep(listener)
                    return listener.localAddress
                }
                try await listening.run { stage in
                    let connection = try TCPConnection.connect(to: address, on: stage.eventLoop)
                    connection.start(onData: { _ in }, onClosed: { _ in })
                    #expect(connection.write([1]))
                }
                #expect(await heard.value)
            }
        }
    }

    @Test func nobodyListeningIsSaidSo() async throws {
        try await withStage { stage in
            let address = try await stage.run { stage in
                let listener = try TCPListener(on: stage.eventLoop, address: .loopback()) { _ in }
                listener.close()
                return listener.localAddress
            }
            let closed = Event<TCPCloseReason>()
            try await stage.run { stage in
                let connection = try TCPConnection.connect(to: address, on: stage.eventLoop)
                connection.start(onData: { _ in }, onClosed: { closed.happen($0) })
            }
            let reason = await closed.value
            #expect(reason == .failed(LoopError("connect to tcp \(address)", code: ECONNREFUSED)))
            guard case .failed(let error) = reason else { return }
            #expect(error.description == "cannot connect to tcp \(address): connection refused")
        }
    }

    @Test func aResetEndsTheConnectionEvenWhilePaused() async throws {
        try await withStage { stage in
            let closed = Event<TCPCloseReason>()
            let accepted = Event<Void>()
            let listening = try await stage.listen(on: .loopback()) { _, connection in
                connection.start(onData: { _ in }, onClosed: { closed.happen($0) })
                connection.pauseReading()
                #expect(connection.write([1, 2, 3]))
                accepted.happen()
            }
            try await stage.run { stage in
                let connection = try TCPConnection.connect(to: listening, on: stage.eventLoop)
                connection.start(onData: { _ in }, onClosed: { _ in })
                connection.pauseReading()
                stage.keep(connection)
            }
            await accepted.value
            // Closing with unread bytes resets.
            await stage.run { _ in }
            await stage.closeAll()
            guard case .failed(let error) = await closed.value else {
                Issue.record("a reset is a failure")
                return
            }
            #expect(error.code == ECONNRESET || error.code == EPIPE)
        }
    }

    @Test func aStoppingLoopClosesItsConnections() async throws {
        let loop = try EventLoop(name: "stopping")
        try loop.start()
        let stage = Stage(loop)
        let listening = try await stage.listen(on: .loopback()) { stage, connection in
            connection.start(onData: { _ in }, onClosed: { stage.note("\($0)") })
        }
        let connected = Event<Void>()
        try await stage.run { stage in
            let connection = try TCPConnection.connect(to: listening, on: loop)
            connection.start(
                onConnected: { connected.happen() }, onData: { _ in }, onClosed: { stage.note("\($0)") })
        }
        await connected.value
        await stage.wait { ($0.kept.first as? TCPListener)?.statistics.accepted == 1 }
        loop.stop()
        #expect(await stage.log == ["loopStopped", "loopStopped"])
        await stage.letGo()
    }

    @Test func aConnectionThatWasNeverStartedCloses() async throws {
        try await withStage { stage in
            let closed = Event<TCPCloseReason>()
            let listening = try await stage.listen(on: .loopback()) { _, connection in
                connection.close(afterFlush: true)
                #expect(!connection.isOpen)
                #expect(!connection.write([1]))
            }
            try await stage.run { stage in
                let connection = try TCPConnection.connect(to: listening, on: stage.eventLoop)
                connection.start(onData: { _ in }, onClosed: { closed.happen($0) })
            }
            #expect(await closed.value == .peerClosed)
        }
    }
}

private final class Parcel: @unchecked Sendable {
    private var socket: AcceptedSocket?

    init(_ socket: consuming AcceptedSocket) { self.socket = .some(socket) }

    func take() -> AcceptedSocket? { socket.take() }
}

private final class Echo {
    var bytes: [UInt8] = []
}

/// Writes an array in pieces, as fast as the queue takes them.
private final class Feeder {
    private let connection: TCPConnection
    private let bytes: [UInt8]
    private var offset = 0

    init(_ connection: TCPConnection, _ bytes: [UInt8]) {
        self.connection = connection
        self.bytes = bytes
    }

    func feed() {
        while offset < bytes.count {
            let piece = Array(bytes[offset..<min(offset + 7_000 + offset % 3_000, bytes.count)])
            guard connection.write(piece) else { return }
            offset += piece.count
        }
    }
}

private func text(_ bytes: RawSpan) -> String { String(decoding: bytes.array, as: UTF8.self) }

extension SplitMix64 {
    fileprivate static func stream(seed: UInt64, count: Int) -> [UInt8] {
        var random = SplitMix64(seed: seed)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 8)
        while bytes.count < count { bytes.append(bigEndian: random.next()) }
        return Array(bytes.prefix(count))
    }
}

extension Stage {
    /// Listens until the stage is let go, and gives each connection to `accepted`.
    fileprivate func listen(
        on address: SocketAddress, lingerMilliseconds: UInt64 = 2_000,
        _ accepted: @escaping @Sendable (isolated Stage, TCPConnection) -> Void
    ) throws -> SocketAddress {
        var settings = TCPConnectionSettings()
        settings.maximumQueuedBytes = 1 << 20
        settings.lingerMilliseconds = lingerMilliseconds
        let listener = try TCPListener(on: eventLoop, address: address) { [settings] socket in
            accepted(self, TCPConnection(socket, on: self.eventLoop, settings: settings))
        }
        keep(listener)
        return listener.localAddress
    }

    /// Sends back what comes, and stops reading while the queue is full.
    fileprivate func echo(_ connection: TCPConnection) {
        let waiting = Echo()
        connection.start(
            onData: { bytes in
                guard waiting.bytes.isEmpty, connection.write(bytes) else {
                    waiting.bytes += bytes.array
                    connection.pauseReading()
                    return
                }
            },
            onDrained: {
                guard connection.write(waiting.bytes) else { return }
                waiting.bytes = []
                connection.resumeReading()
            },
            onClosed: { _ in })
    }

    fileprivate func closeAll() {
        for case let connection as TCPConnection in kept { connection.close() }
        letGo()
    }
}
