import Codecs
import Testing
import Wire

@Suite struct OpusPacketTests {
    /// Durations in tenths of a millisecond of the 32 configurations (RFC 6716, table 2).
    private static let durations: [Int] =
        [100, 200, 400, 600, 100, 200, 400, 600, 100, 200, 400, 600, 100, 200, 100, 200]
        + [25, 50, 100, 200, 25, 50, 100, 200, 25, 50, 100, 200, 25, 50, 100, 200]

    @Test func everyConfigurationHasItsDuration() {
        for (configuration, duration) in Self.durations.enumerated() {
            for code in 0..<3 as Range<UInt8> {
                for stereo in [0, 4] as [UInt8] {
                    let packet = [UInt8(configuration) << 3 | stereo | code].withBytes { OpusPacket(parsing: $0) }
                    #expect(packet?.frameCount == (code == 0 ? 1 : 2))
                    #expect(packet?.samplesPerFrame == duration * 48 / 10)
                    #expect(packet?.isStereo == (stereo == 4))
                }
            }
        }
    }

    @Test func packetsOfManyFramesEndAtOneHundredAndTwentyMilliseconds() {
        for (configuration, duration) in Self.durations.enumerated() {
            for count in 0..<64 as Range<UInt8> {
                let packet = [UInt8(configuration) << 3 | 3, count | 0xC0].withBytes { OpusPacket(parsing: $0) }
                if count == 0 || Int(count) * duration > 1200 {
                    #expect(packet == nil)
                } else {
                    #expect(packet?.sampleCount == Int(count) * duration * 48 / 10)
                }
            }
        }
    }

    @Test func packetsCutBeforeTheirCountAreRefused() {
        #expect([UInt8]().withBytes { OpusPacket(parsing: $0) } == nil)
        #expect([0x03].withBytes { OpusPacket(parsing: $0) } == nil)
    }
}
