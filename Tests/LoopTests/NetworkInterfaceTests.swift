import Loop
import Testing
import Wire

@Suite struct NetworkInterfaceTests {
    @Test func theLoopbackInterfaceIsListed() throws {
        let interfaces = try NetworkInterface.all()
        let loopback = try #require(interfaces.first { $0.address == .loopback() })
        #expect(loopback.name == "lo")
        #expect(loopback.isUp && loopback.isLoopback)
        #expect(interfaces.allSatisfy { $0.address.port == 0 && !$0.name.isEmpty })
    }
}
