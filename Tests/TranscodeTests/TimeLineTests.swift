import Conversion
import TestKit
import Testing

@testable import Transcode

@Suite struct TimeLineTests {
    /// Clocks of 200 ppm too fast and too slow, for three minutes: the sound stays within a millisecond of its timestamps, and
    /// nothing is heard of how.
    @Test(arguments: [200e-6, -200e-6])
    func driftIsFollowed(_ drift: Double) throws {
        let seconds = 180.0
        var conversation = Conversation()
        let fixture = SoundFixture(linear: 48_000, channels: 1, seconds: 1, sound: SoundFixture.tone)
        conversation.send(.begin(fixture.format))
        for index in 0..<Int(seconds / 0.02) {
            // The tone has whole periods in a second.
            var frame = fixture.frames[index % fixture.frames.count]
            frame.timestamp = Int64((Double(index * 960) * (1 + drift)).rounded())
            conversation.send(.frame(frame))
        }
        conversation.send(.flush)
        #expect(conversation.faults.isEmpty)
        let heard = try Heard(conversation.packets)
        #expect(heard.isContinuous)
        let frequency = 1_000 / (1 + drift)
        for instant in stride(from: 20.0, to: seconds - 1, by: 10) {
            let tone = heard.tone(frequency, from: instant, for: 0.5, reference: 0)
            #expect(abs(tone.lateness) < 0.000_5)
            #expect(tone.distortion < 0.015)
        }
        #expect(abs(Double(heard.end) / 48_000 - seconds * (1 + drift)) < 0.021)
    }

    /// Timestamps that were taken when a frame was ready, not when it was sampled.
    @Test func unsteadyTimestampsAreSmoothed() throws {
        var random = SplitMix64(seed: 47)
        var conversation = Conversation()
        var fixture = SoundFixture(linear: 48_000, channels: 1, seconds: 20, sound: SoundFixture.tone)
        for index in fixture.frames.indices.dropFirst() {
            fixture.frames[index].timestamp += Int64.random(in: -240...240, using: &random)
        }
        conversation = Conversation(fixture)
        let heard = try Heard(conversation.packets)
        #expect(heard.isContinuous)
        for instant in stride(from: 1.0, to: 19, by: 1) {
            let level = heard.level(instant, 0.01)
            #expect(level > 0.3)
            #expect(abs(heard.tone(from: instant, for: 0.05, reference: 0).lateness) < 0.000_5)
        }
    }

    @Test(arguments: [SoundFixture.aac, SoundFixture.mp3] + SoundFixture.linear)
    func lostFramesAreSilence(_ fixture: SoundFixture) throws {
        var fixture = fixture
        let clock = Double(fixture.format.clockRate)
        fixture.frames.removeAll { (0.6..<0.8).contains(Double($0.timestamp) / clock) }
        let conversation = Conversation(fixture)
        #expect(conversation.faults.isEmpty)
        let heard = try Heard(conversation.packets)
        #expect(heard.isContinuous)
        #expect(heard.level(0.66, 0.1) < 0.02)
        let tone = heard.tone(from: 0.9, for: 0.25, reference: SoundFixture.onset)
        #expect(tone.distortion < 0.02)
        #expect(abs(tone.lateness) < 0.000_15)
    }

    /// A gap too long to be filled, and a time that lies far back: what was held comes out, then another line.
    @Test(arguments: [10.0, -5.0])
    func jumpsBeginAnotherLine(_ jump: Double) throws {
        var fixture = SoundFixture(linear: 48_000, channels: 2, seconds: 1, sound: SoundFixture.tone)
        for index in 25..<50 { fixture.frames[index].timestamp += Int64(jump * 48_000) }
        let packets = Conversation(fixture).packets
        let second = try #require(
            packets.indices.dropFirst().first { packets[$0].timestamp != packets[$0 - 1].timestamp + 960 })
        let before = try Heard(Array(packets[..<second]))
        let after = try Heard(Array(packets[second...]))
        #expect(before.isContinuous && after.isContinuous)
        #expect(before.end >= 24_000 && before.end < 24_960)
        #expect(after.origin == 24_000 + Int64(jump * 48_000) - 312)
        for (heard, start) in [(before, 0.0), (after, 0.5 + jump)] {
            let tone = heard.tone(from: start + 0.1, for: 0.3, reference: start)
            #expect(abs(tone.lateness) < 0.000_05)
            #expect(tone.distortion < 0.01)
        }
    }

    @Test func aDiscontinuityBeginsAnotherLine() throws {
        var fixture = SoundFixture(linear: 48_000, channels: 2, seconds: 1, sound: SoundFixture.tone)
        for index in 25..<50 { fixture.frames[index].timestamp += 100 }
        fixture.frames[25].isDiscontinuous = true
        let packets = Conversation(fixture).packets
        #expect(packets.contains { $0.timestamp == 24_100 - 312 })
    }

    /// Frames that come twice are heard once.
    @Test func whatLiesBackIsLeftOut() throws {
        let fixture = SoundFixture(linear: 48_000, channels: 2, seconds: 2, sound: SoundFixture.tone)
        var conversation = Conversation()
        conversation.send(.begin(fixture.format))
        for frame in fixture.frames[..<50] { conversation.send(.frame(frame)) }
        for frame in fixture.frames[20...] { conversation.send(.frame(frame)) }
        conversation.send(.flush)
        let heard = try Heard(conversation.packets)
        #expect(heard.isContinuous)
        #expect(heard.end < 2 * 48_000 + 1_920)
        #expect(abs(heard.tone(from: 1.7, for: 0.2, reference: 0).lateness) < 0.000_5)
    }

    /// Both ways, without a break.
    @Test(arguments: [true, false])
    func channelsMayChangeWithinAStream(_ becomesMono: Bool) throws {
        let stereo = SoundFixture.mp2
        let mono = SoundFixture.monoMP2
        var fixture = becomesMono ? stereo : mono
        let other = becomesMono ? mono : stereo
        let change = 30
        fixture.frames = Array(fixture.frames[..<change] + other.frames[change...])
        let conversation = Conversation(fixture)
        let heard = try Heard(conversation.packets)
        #expect(heard.isContinuous)
        let isStereo = conversation.packets.map { $0.payload[0] & 4 != 0 }
        #expect(isStereo.first == becomesMono && isStereo.dropLast(5).last == !becomesMono)
        for instant in [0.4, 0.95] {
            #expect(abs(heard.tone(from: instant, for: 0.2, reference: SoundFixture.onset).lateness) < 0.000_15)
        }
        // No gap where it changes.
        for instant in stride(from: 0.3, to: 1.2, by: 0.01) { #expect(heard.level(instant, 0.01) > 0.15) }
    }

    @Test func anotherFormatBeginsAnotherLine() throws {
        var conversation = Conversation()
        for fixture in [SoundFixture.aac, SoundFixture.mp3] {
            conversation.send(.begin(fixture.format))
            for frame in fixture.frames { conversation.send(.frame(frame)) }
        }
        #expect(conversation.decoders.map(\.name) == ["aac", "mp3float"])
        #expect(conversation.faults.isEmpty)
        // The tail of the first came out when the second began.
        #expect(conversation.packets.count > 2 * 74)
    }
}
