import RTP
import TestKit
import Testing
import Wire

@Suite struct H265PictureRoleTests {
    private static func role(_ payload: [UInt8]) -> H265PictureRole? { payload.withBytes { H265PictureRole($0) } }

    @Test(
        arguments: [
            (19, .closedRandomAccess), (20, .closedRandomAccess), (17, .closedRandomAccess), (18, .closedRandomAccess),
            (21, .openRandomAccess), (16, .openRandomAccess), (8, .skippedLeading), (9, .skippedLeading),
            (6, .decodableLeading), (7, .decodableLeading), (0, .trailing), (1, .trailing), (4, .trailing),
            (32, nil), (39, nil), (35, nil), (63, nil),
        ] as [(UInt8, H265PictureRole?)])
    func typesOfSlicesTell(_ type: UInt8, _ role: H265PictureRole?) {
        #expect(Self.role([type << 1, 1, 0x80]) == role)
        // Every piece of a fragmented unit says of which type it is.
        for header in [0x80, 0, 0x40] as [UInt8] { #expect(Self.role([49 << 1, 1, header | type, 0]) == role) }
        let delimiter: [UInt8] = [0, 3, 35 << 1, 1, 0x50]
        #expect(Self.role([48 << 1, 1] + delimiter + [0, 3, type << 1, 1, 0x80]) == role)
    }

    @Test func junkTellsNothing() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0..<12, using: &random)
            var payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            if count > 0 { payload[0] = UInt8.random(in: 48...49, using: &random) << 1 }
            _ = Self.role(payload)
        }
        #expect(Self.role([]) == nil && Self.role([48 << 1]) == nil && Self.role([49 << 1, 1]) == nil)
        #expect(Self.role([48 << 1, 1, 0xFF, 0xFF]) == nil && Self.role([0x80 | 19 << 1, 1]) == nil)
    }
}
