import Conversion
import TestKit
import Testing

@testable import Transcode

/// PAY-47.
@Suite struct SoundQualityTests {
    @Test(arguments: SoundFixture.recorded + SoundFixture.linear)
    func aToneComesOutWhereItWasAndAsItWas(_ fixture: SoundFixture) throws {
        let conversation = Conversation(fixture)
        #expect(conversation.faults.isEmpty)
        #expect(conversation.decoders.count == 1 && conversation.flushes == 1)
        let heard = try Heard(conversation.packets)
        #expect(heard.isContinuous)
        let onset = try #require(heard.onset)
        #expect(abs(onset - SoundFixture.onset) < 0.002)
        let tone = heard.tone(from: 0.5, for: 0.5, reference: SoundFixture.onset)
        #expect(tone.distortion < 0.015)
        // Within the period that the onset tells.
        #expect(abs(tone.lateness) < 0.000_15)
        #expect(heard.level(1.3, 0.1) < 0.01)
    }

    /// Every sample that was fed is heard, though the encoder holds some back.
    @Test(arguments: [SoundFixture.aac, SoundFixture.mp3] + SoundFixture.linear)
    func theTailIsFlushed(_ fixture: SoundFixture) throws {
        let heard = try Heard(Conversation(fixture).packets)
        let last = try #require(fixture.frames.last)
        let end = (last.timestamp + fixture.ticks) * 48_000 / Int64(fixture.format.clockRate)
        #expect(heard.end >= end)
        #expect(heard.end < end + 960)
    }

    @Test(arguments: SoundFixture.recorded + SoundFixture.linear)
    func atMostThirtyFiveMillisecondsAreHeldBack(_ fixture: SoundFixture) throws {
        var conversation = Conversation()
        conversation.send(.begin(fixture.format))
        var longest: Int64 = 0
        for frame in fixture.frames {
            conversation.send(.frame(frame))
            guard let packet = conversation.packets.last else { continue }
            let fed = (frame.timestamp + fixture.ticks) * 48_000 / Int64(fixture.format.clockRate)
            longest = max(longest, fed - packet.timestamp - Int64(packet.duration))
        }
        #expect(conversation.packets.count > 60)
        #expect(longest < 48 * 35)
    }

    @Test func oneChannelStaysOne() throws {
        for (channels, expected) in [(1, false), (2, true)] {
            let fixture = SoundFixture(linear: 16_000, channels: channels, seconds: 0.2, sound: SoundFixture.tone)
            for packet in Conversation(fixture).packets { #expect((packet.payload[0] & 4 != 0) == expected) }
        }
    }

    @Test func theBitRateIsKept() {
        for bitRate: UInt32 in [32_000, 96_000, 160_000] {
            var fixture = SoundFixture.aac
            fixture.format.bitRate = bitRate
            let packets = Conversation(fixture).packets
            let bits = packets.reduce(0) { $0 + $1.payload.count * 8 }
            let rate = Double(bits) / (Double(packets.count) * 0.02)
            #expect(rate < Double(bitRate) * 1.2)
        }
    }
}
