import Glibc
import Testing

/// Demonstration 8.
@Suite struct DayTests {
    /// In a process of its own, so that its memory is its own.
    @Test func aDayOfChurnLeavesNothingBehind() async {
        await #expect(processExitsWith: .success) {
            let day = Day(seed: 8)
            try day.run(hours: 2)
            let (early, timers) = (Memory.now, day.loop.timerCount)
            try day.run(hours: 22)
            let late = Memory.now
            print(
                "a day: \(day.packetsReceived) packets in, \(day.publications) publications, \(day.joins) joins,",
                "\(day.rooms) rooms; in use \(early.inUse) → \(late.inUse), resident \(early.resident) →",
                "\(late.resident), timers \(timers) → \(day.loop.timerCount), worst skew \(day.worstSkew) ms")
            #expect(day.publications > 100 && day.joins > 500 && day.rooms > 50)
            #expect(day.retransmissions > 100)
            #expect(day.livingRooms == 3)
            #expect(day.loop.timerCount <= timers + 6)
            // Three rooms with a few viewers more or less, and a name for every room there was.
            #expect(late.inUse - early.inUse < 2 << 20)
            #expect(late.resident - early.resident < 8 << 20)
            #expect(day.looks > 10_000)
            #expect(day.worstSkew <= 40)
            day.close()
            #expect(day.livingRooms == 0)
            #expect(day.loop.timerCount == 0)
            #expect(Memory.now.inUse < early.inUse)
        }
    }
}

/// What the process holds, in bytes.
struct Memory {
    var inUse: Int
    var resident: Int

    static var now: Memory {
        let information = mallinfo2()
        return Memory(inUse: Int(information.uordblks + information.hblkhd), resident: residentBytes)
    }

    private static var residentBytes: Int {
        let descriptor = open("/proc/self/statm", O_RDONLY)
        guard descriptor >= 0 else { return 0 }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
        let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
        return (words.count > 1 ? Int(words[1]) ?? 0 : 0) * Int(getpagesize())
    }
}
