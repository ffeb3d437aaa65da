import Testing
import Wire

@testable import Server

/// RTSP-15: what RTP-Info can tell before the first packet.
@Suite struct RTSPOpeningTests {
    private static func opening(
        _ rate: UInt32, number: UInt16? = nil, timestamp: UInt32? = nil, reported: UInt32? = nil,
        at seconds: UInt64 = 100
    ) -> RTSPOpening {
        var opening = RTSPOpening(clockRate: rate)
        opening.sequenceNumber = number
        opening.timestamp = timestamp
        opening.report = reported.map { RTSPOpening.Report(ntp: seconds << 32, timestamp: $0, at: .seconds(seconds)) }
        return opening
    }

    @Test func nothingIsToldBeforeAReport() {
        #expect(RTSPOpening.positions([:], at: .seconds(1)).isEmpty)
        #expect(RTSPOpening.positions([0: Self.opening(90_000)], at: .seconds(1)).isEmpty)
    }

    /// The keyframe is 1.5 s older than the report; the sound's time stamp is of that moment, whenever its packets begin.
    @Test func timestampsAreOfOneMoment() throws {
        let positions = RTSPOpening.positions(
            [
                0: Self.opening(90_000, number: 5, timestamp: 1_000 &- 135_000, reported: 1_000),
                1: Self.opening(48_000, number: 9, reported: 500_000, at: 99),
            ], at: .seconds(103))
        let video = try #require(positions[0])
        #expect(video.sequenceNumber == 5)
        #expect(video.timestamp == 1_000 &- 135_000)
        let audio = try #require(positions[1])
        #expect(audio.sequenceNumber == 9)
        // 98.5 s on the wall clock, half a second before the report.
        #expect(audio.timestamp == UInt32(476_000))
    }

    @Test func withoutAKeyframeTheMomentIsNow() throws {
        let positions = RTSPOpening.positions(
            [0: Self.opening(90_000, reported: 0xFFFF_FFFF), 1: Self.opening(8_000, number: 65_535)], at: .seconds(102))
        #expect(positions[0]?.sequenceNumber == nil)
        #expect(positions[0]?.timestamp == 179_999)
        #expect(positions[1]?.timestamp == nil)
        #expect(positions[1]?.sequenceNumber == 65_535)
    }

    /// A description may claim any clock rate.
    @Test func noClockRateIsTooFast() {
        for second in [UInt64(0), 1, 100, 32_800, 65_000] {
            for moment in [UInt64(0), 1 << 32, 32_767 << 32, 65_000 << 32, .max] {
                for rate in [UInt32(1), 90_000, .max] {
                    let opening = Self.opening(rate, timestamp: .max, reported: 1, at: second)
                    _ = opening.beginning
                    _ = opening.timestamp(at: moment)
                }
            }
        }
        #expect(Self.opening(.max, reported: 5, at: 0).timestamp(at: 32_767 << 32) == 5 &- 32_767)
    }

    @Test func clocksFarApartTellNothing() {
        var late = Self.opening(90_000, reported: 1)
        late.report?.ntp = 1 << 62
        #expect(late.timestamp(at: 0) == nil)
        #expect(Self.opening(0, timestamp: 5, reported: 1).beginning == nil)
    }
}
