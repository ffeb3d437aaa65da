import Glibc
import Loop
import Testing
import Wire

@Suite struct UDPSocketTests {
    @Test(arguments: [SocketAddress.loopback(), .loopback6()])
    func datagramsTravelBothWaysBetweenLoops(address: SocketAddress) async throws {
        try await withStage("server") { server in
            try await withStage("client") { client in
                let serverSocket = try UDPSocket(binding: address)
                let clientSocket = try UDPSocket(binding: address)
                let answered = Event<TransportTuple>()
                try await server.run { stage in
                    let sender = try DatagramSender(on: stage.eventLoop, sockets: [serverSocket])
                    let receiver = try UDPReceiver(serverSocket, on: stage.eventLoop) { batch in
                        for index in 0..<batch.count {
                            let tuple = batch.tuple(at: index)
                            batch.withMutableBytes(at: index) { $0.set(bigEndian: UInt8(ascii: "H"), at: 0) }
                            batch.withBytes(at: index) { bytes in
                                #expect(sender.send(bytes.array, to: tuple.remote, from: tuple.local))
                            }
                        }
                    }
                    stage.keep(receiver)
                }
                try await client.run { stage in
                    let receiver = try UDPReceiver(clientSocket, on: stage.eventLoop) { batch in
                        let text = batch.withBytes(at: 0) { $0.array }
                        #expect(text == Array("Hello".utf8))
                        answered.happen(batch.tuple(at: 0))
                    }
                    let sender = try DatagramSender(on: stage.eventLoop, sockets: [clientSocket])
                    stage.keep(receiver)
                    #expect(sender.send(Array("hello".utf8), to: serverSocket.localAddress, from: address))
                }
                let tuple = await answered.value
                #expect(tuple.remote == serverSocket.localAddress)
                #expect(tuple.local == clientSocket.localAddress)
            }
        }
    }

    @Test func repliesLeaveFromTheAddressThatWasAsked() async throws {
        try await withStage { stage in
            let server = try UDPSocket(binding: .any())
            let client = try UDPSocket(binding: .loopback())
            let port = server.localAddress.port
            let answers = Event<[String]>()
            try await stage.run { stage in
                let loop = stage.eventLoop
                let serverSender = try DatagramSender(on: loop, sockets: [server])
                let clientSender = try DatagramSender(on: loop, sockets: [client])
                let serverReceiver = try UDPReceiver(server, on: loop) { batch in
                    for index in 0..<batch.count {
                        let tuple = batch.tuple(at: index)
                        #expect(tuple.local.port == port)
                        #expect(serverSender.send([1], to: tuple.remote, from: tuple.local))
                    }
                }
                let clientReceiver = try UDPReceiver(client, on: loop) { batch in
                    for index in 0..<batch.count { stage.note(batch.tuple(at: index).remote.host) }
                    if stage.log.count == 2 { answers.happen(stage.log.sorted()) }
                }
                stage.keep(serverReceiver)
                stage.keep(clientReceiver)
                for last: UInt32 in [1, 2] {
                    #expect(clientSender.send([0], to: .loopback(port: port, last: last), from: .any()))
                }
            }
            #expect(await answers.value == ["127.0.0.1", "127.0.0.2"])
        }
    }

    @Test func anUnspecifiedIPv6SocketKeepsTheLocalAddressAndLeavesIPv4Alone() async throws {
        try await withStage { stage in
            let six = try UDPSocket(binding: .any6())
            let four = try UDPSocket(binding: .any(port: six.localAddress.port))
            let heard = Event<TransportTuple>()
            try await stage.run { stage in
                let receiver = try UDPReceiver(six, on: stage.eventLoop) { batch in heard.happen(batch.tuple(at: 0)) }
                let sender = try DatagramSender(on: stage.eventLoop, sockets: [four, six])
                stage.keep(receiver)
                #expect(sender.send([1], to: .loopback6(port: six.localAddress.port), from: .loopback6()))
            }
            let tuple = await heard.value
            #expect(tuple.local == .loopback6(port: six.localAddress.port))
            #expect(tuple.remote == tuple.local)
        }
    }

    @Test func anAddressInUseIsSaidToTheOperator() throws {
        let first = try UDPSocket(binding: .loopback())
        let error = #expect(throws: LoopError.self) { try UDPSocket(binding: first.localAddress) }
        #expect(error?.code == EADDRINUSE)
        let text = error?.description ?? ""
        #expect(text.hasPrefix("cannot listen on udp \(first.localAddress): address already in use ("))
    }

    @Test func grantedBufferSizesAreReported() throws {
        var settings = UDPSocket.Settings()
        settings.receiveBufferSize = 64 << 10
        settings.sendBufferSize = 32 << 10
        let socket = try UDPSocket(binding: .loopback(), settings: settings)
        #expect(socket.receiveBufferSize == 64 << 10)
        #expect(socket.sendBufferSize == 32 << 10)
    }

    @Test(arguments: [true, false])
    func runsOfDatagramsArriveAsTheyWereSent(receiveOffload: Bool) async throws {
        try await withStage { stage in
            var settings = UDPSocket.Settings()
            settings.usesReceiveOffload = receiveOffload
            let server = try UDPSocket(binding: .loopback(), settings: settings)
            let client = try UDPSocket(binding: .loopback())
            let done = Event<[String]>()
            try await stage.run { stage in
                let loop = stage.eventLoop
                let receiver = try UDPReceiver(server, on: loop) { batch in
                    for index in 0..<batch.count {
                        let first = batch.withBytes(at: index) { $0[0] }
                        stage.note("\(first):\(batch.byteCount(at: index))")
                    }
                    if stage.log.count == 60 { done.happen(stage.log) }
                }
                stage.keep(receiver)
                let sender = try DatagramSender(on: loop, sockets: [client])
                for index in 0..<60 {
                    let size = index == 59 ? 200 : 1_100
                    #expect(sender.send(.init(repeating: UInt8(index), count: size), to: server.localAddress))
                }
            }
            let expected = (0..<60).map { "\($0):\($0 == 59 ? 200 : 1_100)" }
            #expect(await done.value == expected)
        }
    }

    @Test func aClosedReceiverHearsNothingMore() async throws {
        try await withStage { stage in
            let server = try UDPSocket(binding: .loopback())
            let client = try UDPSocket(binding: .loopback())
            let done = Event<Void>()
            try await stage.run { stage in
                let loop = stage.eventLoop
                let closing = Closing()
                closing.receiver = try UDPReceiver(server, on: loop) { _ in
                    stage.count += 1
                    closing.receiver?.close()
                }
                let sender = try DatagramSender(on: loop, sockets: [client])
                #expect(sender.send([1], to: server.localAddress))
                let again = loop.makeTimer {
                    #expect(sender.send([2], to: server.localAddress))
                    sender.flush()
                    loop.execute { loop.execute { done.happen() } }
                }
                again.schedule(at: loop.now.advanced(byMilliseconds: 3))
                stage.keep(closing)
                stage.keep(again)
            }
            await done.value
            #expect(await stage.count == 1)
            await stage.letGo()
        }
    }
}

private final class Closing {
    var receiver: UDPReceiver?
}

extension DatagramSender {
    func send(_ bytes: [UInt8], to remote: SocketAddress, from local: SocketAddress = .any()) -> Bool {
        append(to: remote, from: local.isIPv6 == remote.isIPv6 ? local : .any6(), maximumSize: bytes.count) { output in
            for byte in bytes { output.append(byte) }
        }
    }
}
