import RTP
import Testing

@Suite struct UnwrappersTests {
    @Test func sequenceNumbersGrowOverTheWrap() {
        var unwrapper = SequenceUnwrapper()
        let first = unwrapper.unwrap(65_534)
        #expect(unwrapper.unwrap(65_535) == first + 1)
        #expect(unwrapper.unwrap(1) == first + 3)
        #expect(unwrapper.unwrap(0) == first + 2)
        #expect(unwrapper.unwrap(65_533) == first - 1)
        #expect(unwrapper.highest == first + 3)
    }

    @Test func sequenceNumbersBeforeTheFirstStayPositive() {
        var unwrapper = SequenceUnwrapper()
        _ = unwrapper.unwrap(0)
        #expect(unwrapper.unwrap(32_769) > 0)
    }

    @Test func timestampsGrowOverTheWrapManyTimes() {
        var unwrapper = TimestampUnwrapper()
        var timestamp: UInt32 = 0xFFFF_0000
        var expected = unwrapper.unwrap(timestamp)
        for _ in 0..<10_000 {
            timestamp &+= 0x0100_0000
            expected += 0x0100_0000
            #expect(unwrapper.unwrap(timestamp) == expected)
            #expect(unwrapper.extend(timestamp &- 3000) == expected - 3000)
        }
    }
}
