import Conversion
import TestKit
import Testing

@testable import Transcode

/// PAY-48: nothing that a source sends ends a conversion, or holds it up.
@Suite struct FaultTests {
    @Test(arguments: [SoundFixture.aac, SoundFixture.latm, SoundFixture.ac3])
    func frameThatIsNoSoundIsSilence(_ fixture: SoundFixture) throws {
        var fixture = fixture
        let clock = Double(fixture.format.clockRate)
        var random = SplitMix64(seed: 48)
        var spoiled = 0
        for index in fixture.frames.indices
        where (0.6..<0.8).contains(Double(fixture.frames[index].timestamp) / clock) {
            fixture.frames[index].payload = [0xFF] + random.bytes(8)
            spoiled += 1
        }
        let conversation = Conversation(fixture)
        #expect(conversation.faults.count > spoiled / 2)
        #expect(conversation.faults.allSatisfy { !$0.isFatal && !$0.text.isEmpty })
        let heard = try Heard(conversation.packets)
        #expect(heard.isContinuous)
        let tone = heard.tone(from: 0.95, for: 0.2, reference: SoundFixture.onset)
        #expect(tone.distortion < 0.03)
        #expect(abs(tone.lateness) < 0.000_15)
    }

    /// Silence comes out while frames go on that cannot be decoded, so that nobody waits for the next good one.
    @Test func silenceGoesOnBehindFaults() throws {
        let fixture = SoundFixture.aac
        var conversation = Conversation()
        conversation.send(.begin(fixture.format))
        for frame in fixture.frames[..<30] { conversation.send(.frame(frame)) }
        let before = conversation.packets.count
        for frame in fixture.frames[30..<60] {
            var frame = frame
            frame.payload = [0xFF, 0xFF]
            conversation.send(.frame(frame))
        }
        #expect(conversation.faults.count == 30)
        #expect(conversation.packets.count >= before + 30)
    }

    @Test(
        arguments: [
            (ConversionFormat(codec: .aac, clockRate: 48_000, channels: 2, configuration: [0xFF, 0xFF, 0xFF])),
            (ConversionFormat(codec: .aacLATM, clockRate: 48_000, channels: 2, configuration: [0xFF, 0xFF])),
        ])
    func formatsThatCannotBeUsedAreFatal(_ format: ConversionFormat) {
        var conversation = Conversation()
        conversation.send(.begin(format))
        #expect(conversation.decoders.isEmpty)
        #expect(conversation.faults.count == 1)
        #expect(conversation.faults.allSatisfy { $0.isFatal && !$0.text.isEmpty })
        // Frames are left out until there is another format.
        conversation.send(.frame(ConversionFrame(timestamp: 0, payload: [1])))
        #expect(conversation.faults.count == 1)
        let good = SoundFixture.aac
        conversation.send(.begin(good.format))
        for frame in good.frames { conversation.send(.frame(frame)) }
        #expect(conversation.packets.count > 60)
    }

    @Test(arguments: SoundFixture.recorded)
    func hostileFramesNeverTrap(_ fixture: SoundFixture) {
        var random = SplitMix64(seed: 49)
        var conversation = Conversation()
        conversation.send(.begin(fixture.format))
        var time: Int64 = 0
        for _ in 0..<1_500 {
            var payload = fixture.frames.randomElement(using: &random)?.payload ?? []
            switch random.next() % 4 {
            case 0: break
            case 1: payload = random.bytes(1 + Int(random.next() % 600))
            case 2: payload.removeLast(Int(random.next() % UInt64(payload.count)))
            default:
                for _ in 0..<1 + random.next() % 20 {
                    payload[Int(random.next() % UInt64(payload.count))] ^= UInt8(truncatingIfNeeded: random.next())
                }
            }
            time += random.next() % 50 == 0 ? Int64.random(in: -200_000...200_000, using: &random) : fixture.ticks
            let frame = ConversionFrame(
                timestamp: time, isDiscontinuous: random.next() % 100 == 0, payload: payload.isEmpty ? [0] : payload)
            conversation.send(.frame(frame))
        }
        #expect(conversation.packets.count > 100)
        #expect(conversation.faults.allSatisfy { !$0.isFatal })
    }
}
