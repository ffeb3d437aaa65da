import Glibc
import Loop
import Testing
import Wire

@Suite struct TCPListenerTests {
    @Test func anAddressInUseIsSaidToTheOperator() async throws {
        try await withStage { stage in
            let error = try await stage.run { stage -> LoopError? in
                let first = try TCPListener(on: stage.eventLoop, address: .loopback()) { _ in }
                defer { first.close() }
                do {
                    _ = try TCPListener(on: stage.eventLoop, address: first.localAddress) { _ in }
                    return nil
                } catch {
                    return error as? LoopError
                }
            }
            let text = error?.description ?? ""
            #expect(error?.code == EADDRINUSE)
            #expect(text.hasPrefix("cannot listen on tcp 127.0.0.1:"))
            #expect(text.contains("address already in use (stop the program"))
        }
    }

    @Test func anAddressOfAnotherMachineIsSaidToTheOperator() async throws {
        try await withStage { stage in
            await stage.run { stage in
                let error = #expect(throws: LoopError.self) {
                    try TCPListener(on: stage.eventLoop, address: SocketAddress(ipv4: 0xC000_0201, port: 0)) { _ in }
                }
                #expect(error?.code == EADDRNOTAVAIL)
            }
        }
    }

    @Test func clientsAreTurnedAwayWhenDescriptorsRunOut() async throws {
        try await withStage { stage in
            let refused = Event<TCPCloseReason>()
            let accepted = Event<Void>()
            let address = try await stage.run { stage in
                let listener = try TCPListener(
                    on: stage.eventLoop, address: .loopback(), backlog: 16,
                    injectedError: {
                        stage.count += 1
                        return stage.count == 1 ? EMFILE : 0
                    },
                    onAccept: { _ in accepted.happen() })
                stage.keep(listener)
                return listener.localAddress
            }
            try await stage.run { stage in
                let connection = try TCPConnection.connect(to: address, on: stage.eventLoop)
                connection.start(onData: { _ in }, onClosed: { refused.happen($0) })
            }
            #expect(await refused.value == .peerClosed)
            try await stage.run { stage in
                let connection = try TCPConnection.connect(to: address, on: stage.eventLoop)
                connection.start(onData: { _ in }, onClosed: { _ in })
            }
            await accepted.value
            await stage.run { stage in
                let statistics = (stage.kept.first as? TCPListener)?.statistics
                #expect(statistics?.refusedWithoutDescriptors == 1)
                #expect(statistics?.accepted == 1)
            }
            await stage.letGo()
        }
    }

    @Test func acceptingPausesWithoutMemoryAndGoesOn() async throws {
        try await withStage { stage in
            let accepted = Event<Void>()
            let address = try await stage.run { stage in
                let listener = try TCPListener(
                    on: stage.eventLoop, address: .loopback(), backlog: 16,
                    injectedError: {
                        stage.count += 1
                        return stage.count == 1 ? ENOMEM : stage.count == 2 ? ECONNABORTED : 0
                    },
                    onAccept: { _ in accepted.happen() })
                stage.keep(listener)
                return listener.localAddress
            }
            try await stage.run { stage in
                let connection = try TCPConnection.connect(to: address, on: stage.eventLoop)
                connection.start(onData: { _ in }, onClosed: { _ in })
            }
            await accepted.value
            await stage.run { stage in
                #expect((stage.kept.first as? TCPListener)?.statistics.failed == 1)
            }
            await stage.letGo()
        }
    }
}
