import RTP
import TestKit
import Testing
import Wire

@testable import WebRTC

@Suite struct IngestRoutingTests {
    typealias Packet = IngestHarness.Packet

    @Test func packetsFindTheirKindByPayloadTypeOrMID() throws {
        let harness = try IngestHarness()
        #expect(harness.send(Packet())?.kind == .video)
        #expect(harness.send(Packet(payloadType: 111, ssrc: 2))?.kind == .audio)
        #expect(harness.send(Packet(ssrc: 3, mid: "1"))?.kind == .video)
        #expect(harness.send(Packet(sequenceNumber: 1, mid: "7")) == nil)
        #expect(harness.engine.drops.unknownSource >= 1)
    }

    @Test func simulcastLayersGoByRID() throws {
        let harness = try IngestHarness.simulcast()
        for (layer, rid) in ["h", "m", "l"].enumerated() {
            let ssrc = UInt32(100 + layer)
            #expect(harness.send(Packet(ssrc: ssrc, mid: "1", rid: rid))?.layer == layer)
            // Later packets no longer name their layer.
            #expect(harness.send(Packet(ssrc: ssrc, sequenceNumber: 1))?.layer == layer)
        }
        #expect(harness.send(Packet(ssrc: 200, mid: "1")) == nil)
        #expect(harness.engine.drops.unknownSource == 1)
        #expect(harness.engine.received.map(\.layer) == [0, 1, 2])
    }

    @Test func whatWasNotNegotiatedIsCountedAndDropped() throws {
        let harness = try IngestHarness()
        #expect(harness.send(Packet(payloadType: 100)) == nil)
        #expect(harness.engine.drops.unknownPayloadType == 1)
        #expect(harness.send([0x80, 96, 0]) == nil)
        #expect(harness.engine.drops.malformed == 1)
        harness.send(Packet(sequenceNumber: 5))
        #expect(harness.send(Packet(sequenceNumber: 5)) == nil)
        #expect(harness.engine.drops.duplicates == 1)
        #expect(harness.engine.received.count == 1)
    }

    @Test func probesMakeNoStreams() throws {
        let harness = try IngestHarness()
        #expect(harness.send(Packet(ssrc: 0)) == nil)
        #expect(harness.send(Packet(payload: [], padding: 200)) == nil)
        #expect(harness.engine.drops.probes == 2)
        #expect(harness.engine.received.isEmpty)
    }

    @Test func paddingOfAStreamIsHandedOn() throws {
        let harness = try IngestHarness()
        harness.send(Packet())
        let padding = try #require(harness.send(Packet(sequenceNumber: 1, payload: [], padding: 200)))
        #expect(padding.header.isPaddingOnly)
    }

    @Test func aNewSourceTakesTheOldOnesPlaceAndItsRequests() throws {
        let harness = try IngestHarness()
        harness.send(Packet(ssrc: 1_000))
        harness.engine.requestKeyframe(.video, layer: 0, at: harness.now)
        harness.drain()
        #expect(harness.pictureLossIndications == [1_000])
        harness.run(milliseconds: 100)
        #expect(harness.send(Packet(ssrc: 7_000, sequenceNumber: 900, mid: "1"))?.layer == 0)
        #expect(harness.engine.received.count == 1)
        #expect(harness.engine.received.first?.statistics != nil)
        // Nobody has seen a keyframe yet, so the new source is asked in its turn.
        harness.run(milliseconds: 1_000)
        #expect(harness.pictureLossIndications == [1_000, 7_000])
        // What is left of the old source under way is not mixed in.
        #expect(harness.send(Packet(ssrc: 1_000, sequenceNumber: 1)) == nil)
    }

    @Test func hostilePacketsNeverTrapAndKeepStateBounded() throws {
        let harness = try IngestHarness.simulcast()
        var random = SplitMix64(seed: 5)
        let types: [UInt8] = [96, 111, 97, 0, 127]
        for round in 0..<20_000 {
            if round % 3 == 0 {
                harness.send(
                    [UInt8.random(in: 0x80...0xBF, using: &random)]
                        + random.bytes(Int.random(in: 0...60, using: &random)))
            } else {
                var packet = Packet(ssrc: UInt32.random(in: .min ... .max, using: &random)).bytes
                packet[1] = types.randomElement(using: &random) ?? 0
                if round % 5 == 0 { packet[0] |= 0x10 }
                harness.send(packet)
            }
            if round % 100 == 0 { harness.run(milliseconds: 50) }
        }
        #expect(harness.engine.received.count <= 4)
        #expect(harness.sent.allSatisfy { $0.compound.count <= IngestEngine.maximumCompoundSize })
    }
}
