import Synchronization
import Testing
import Wire

@testable import Loop
@testable import Server

@Suite struct InterfaceAddressesTests {
    /// A machine whose interfaces change.
    private final class Machine: Sendable {
        let interfaces = Mutex<[NetworkInterface]>([])
        let readings = Mutex(0)

        func read() throws(LoopError) -> [NetworkInterface] {
            readings.withLock { $0 += 1 }
            return interfaces.withLock { $0 }
        }

        func has(_ address: UInt32) {
            interfaces.withLock {
                $0 = [
                    NetworkInterface(
                        name: "eth0", address: SocketAddress(ipv4: address, port: 0), isUp: true, isLoopback: false)
                ]
            }
        }
    }

    @Test func anotherAddressIsFoundWhenTheReadingIsDueAndToldOnce() throws {
        let machine = Machine()
        machine.has(0xC000_0201)
        let test = TestLog()
        let addresses = try InterfaceAddresses(logger: test.logger, at: .seconds(1)) { () throws(LoopError) in
            try machine.read()
        }
        let told = Mutex<[[NetworkInterface]]>([])
        addresses.observe { found in told.withLock { $0.append(found) } }
        machine.has(0xC000_0202)
        addresses.refresh(at: .seconds(InterfaceAddresses.lifetimeSeconds))
        #expect(machine.readings.withLock { $0 } == 1, "not due yet")
        #expect(addresses.all.map(\.address) == [SocketAddress(ipv4: 0xC000_0201, port: 0)])
        addresses.refresh(at: .seconds(1 + InterfaceAddresses.lifetimeSeconds))
        #expect(addresses.all.map(\.address) == [SocketAddress(ipv4: 0xC000_0202, port: 0)])
        #expect(test.text.contains("192.0.2.2"))
        addresses.refresh(at: .seconds(2 + 2 * InterfaceAddresses.lifetimeSeconds))
        #expect(machine.readings.withLock { $0 } == 3)
        #expect(told.withLock { $0.count } == 1)
    }

    /// The next session after a new lease is offered the new address.
    @Test func aSessionIsOfferedTheAddressesOfTheMoment() throws {
        let machine = Machine()
        machine.has(0xC000_0201)
        let addresses = try InterfaceAddresses(logger: .none, at: .seconds(0)) { () throws(LoopError) in
            try machine.read()
        }
        let socket = SocketAddress(ipv4: 0, port: 8189)
        let offered = Mutex(CandidateSource(sockets: [socket], interfaces: addresses.all, settings: ServerSettings()))
        addresses.observe { found in
            offered.withLock {
                $0 = CandidateSource(sockets: [socket], interfaces: found, settings: ServerSettings())
            }
        }
        machine.has(0xC000_0202)
        addresses.refresh(at: .seconds(60))
        #expect(offered.withLock { $0.all } == [SocketAddress(ipv4: 0xC000_0202, port: 8189)])
    }
}
