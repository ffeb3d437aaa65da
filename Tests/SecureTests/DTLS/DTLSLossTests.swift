import TestKit
import Testing
import Wire

@testable import Secure

/// Handshakes over networks that lose, delay and repeat.
@Suite struct DTLSLossTests {
    @Test(arguments: [DTLSNetwork.Direction.toServer, .toClient], 1...6)
    func anyLostFlightIsRepaired(_ direction: DTLSNetwork.Direction, _ flight: Int) throws {
        let network = try DTLSNetwork()
        network.fault = { $0.direction == direction && $0.flight == flight ? [] : [0] }
        let keys = try network.connect()
        #expect(keys.client.mirrors(keys.server))
        #expect(network.elapsedMilliseconds < 400)
    }

    @Test(arguments: [DTLSNetwork.Direction.toServer, .toClient], 2...4)
    func lostFlightsInARowAreRepaired(_ direction: DTLSNetwork.Direction, _ count: Int) throws {
        for first in 1...3 {
            let network = try DTLSNetwork()
            network.fault = { $0.direction == direction && (first..<first + count).contains($0.flight) ? [] : [0] }
            let keys = try network.connect()
            #expect(keys.client.mirrors(keys.server))
            #expect(network.elapsedMilliseconds < 4000, "\(first)")
        }
    }

    @Test(arguments: [(10, 30, 30), (30, 30, 30), (50, 40, 38)])
    func heavyLossStillConnects(_ percent: UInt64, _ attempts: UInt64, _ required: Int) throws {
        var connected = 0
        for seed in 0..<attempts {
            var random = SplitMix64(seed: seed &* 1000 &+ percent)
            let network = try DTLSNetwork()
            network.fault = { _ in random.next() % 100 < percent ? [] : [0] }
            network.start()
            network.run { network.areBothConnected }
            if network.areBothConnected { connected += 1 }
        }
        #expect(connected >= required)
    }

    @Test func jitterReorderingAndDuplicatesStillConnect() throws {
        for seed in 0..<30 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            let network = try DTLSNetwork(mtu: 300)
            network.fault = { _ in
                (0..<Int(1 + random.next() % 2)).map { _ in random.next() % 500 }
            }
            let keys = try network.connect()
            #expect(keys.client.mirrors(keys.server))
        }
    }

    @Test func noiseBetweenFlightsIsIgnored() throws {
        var random = SplitMix64(seed: 5)
        let network = try DTLSNetwork()
        network.start()
        for _ in 0..<400 where !network.areBothConnected {
            for first: UInt8 in [20, 21, 22, 23, 25, 63] {
                var noise = random.bytes(20 + Int(random.next() % 100))
                noise[0] = first
                network.inject(noise, .toServer)
                network.inject(noise, .toClient)
            }
            network.run(limitMilliseconds: 10)
        }
        #expect(network.areBothConnected)
        #expect(network.client.restarts == 0 && network.server.restarts == 0)
    }

    @Test func earlyApplicationDataIsIgnored() throws {
        let network = try DTLSNetwork()
        network.start()
        for epoch: UInt8 in [0, 1] {
            let record: [UInt8] = [23, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4]
            network.inject(record, .toServer)
            network.inject(record, .toClient)
        }
        network.run { network.areBothConnected }
        #expect(network.areBothConnected)
        #expect(network.client.restarts == 0 && network.server.restarts == 0)
    }
}
