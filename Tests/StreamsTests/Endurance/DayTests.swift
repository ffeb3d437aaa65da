import Glibc
import TestKit
import Testing

/// Demonstration 8.
@Suite struct DayTests {
    /// In a process of its own, so that its memory is its own.
    @Test func aDayOfChurnLeavesNothingBehind() async {
        await #expect(processExitsWith: .success) {
            let day = Day(seed: 8)
            try day.run(hours: 2)
            let (early, timers) = (residentBytes, day.loop.timerCount)
            try day.run(hours: 22)
            let late = residentBytes
            print(
                "a day: \(day.packetsReceived) packets in, \(day.publications) publications, \(day.joins) joins,",
                "\(day.rooms) rooms; resident \(early) → \(late), timers \(timers) → \(day.loop.timerCount), worst skew \(day.worstSkew) ms"
            )
            #expect(day.publications > 100 && day.joins > 500 && day.rooms > 50)
            #expect(day.retransmissions > 100)
            #expect(day.livingRooms == 3)
            #expect(day.loop.timerCount <= timers + 6)
            // Three rooms with a few viewers more or less, and a name for every room there was.
            #expect(late - early < 4 << 20)
            #expect(day.looks > 10_000)
            #expect(day.worstSkew <= 40)
            day.close()
            #expect(day.livingRooms == 0)
            #expect(day.loop.timerCount == 0)
        }
    }
}

/// Bytes of memory that the process has.
private var residentBytes: Int {
    let descriptor = unsafe open("/proc/self/statm", O_RDONLY)
    guard descriptor >= 0 else { return 0 }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 128)
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
    let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
    return (words.count > 1 ? Int(words[1]) ?? 0 : 0) * Int(getpagesize())
}
