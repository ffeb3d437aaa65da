import Glibc
import Testing

/// PROP-1 to PROP-7 through a whole room: publishers, layers, viewers, repairs.
@Suite struct MungerPropertyTests {
    private static let isLong = unsafe getenv("MARTLET_LONG_TESTS") != nil
    private static let seeds: Range<UInt64> = isLong ? 0..<16 : 0..<4
    private static let packets = isLong ? 65_000 : 3_000

    @Test(arguments: MungerWay.allCases, seeds)
    func viewersGetWhatWasSent(_ way: MungerWay, _ seed: UInt64) throws {
        let scene = try MungerScene(way, seed: seed)
        try scene.run(packets: Self.packets)
        for fault in scene.faults.prefix(10) { Issue.record("\(way) \(seed) \(scene.format): \(fault)") }
        let sum = { (value: KeyPath<MungerAudit, Int>) in scene.audits.reduce(0) { $0 + $1[keyPath: value] } }
        let sent = sum(\.packets)
        print(
            "munger \(way) \(seed) \(scene.format): \(scene.packets) packets, \(sent) sent in \(sum(\.stretches))",
            "stretches with \(sum(\.switches)) switches, \(sum(\.repaired)) sent again, \(sum(\.missing)) missing,",
            "\(sum(\.fillers)) of padding")
        #expect(sent > Self.packets / 4)
        #expect(sum(\.repaired) > sent / 200)
        #expect(sum(\.stretches) > 2)
    }
}
