import Foundation
import Loop
import Synchronization
import Testing
import Wire

@Suite struct ProcessTests {
    @Test func theEnvironmentIsReadWhole() {
        #expect(ProcessEnvironment.variables["PATH"] == ProcessInfo.processInfo.environment["PATH"])
        #expect(ProcessEnvironment.variables.count == ProcessInfo.processInfo.environment.count)
    }

    @Test func blockingWorkRunsInOrder() {
        let queue = BlockingQueue(name: "test")
        let order = Mutex<[Int]>([])
        for index in 0..<100 { queue.run { order.withLock { $0.append(index) } } }
        queue.runAndWait { order.withLock { $0.append(100) } }
        #expect(order.withLock { $0 } == Array(0...100))
    }

    @Test func aFileIsAppendedToAndRead() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "martlet-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(!FileReader.isReadable(path))
        for text in ["one ", "two"] {
            #expect(try FileWriter.appending(to: path).write(Array(text.utf8)))
        }
        #expect(FileReader.isReadable(path))
        #expect(try FileReader.readNow(path, maximumSize: 100) == Array("one two".utf8))
        #expect(throws: LoopError.self) { try FileWriter.appending(to: "/nonexistent/file") }
        #expect(try !FileWriter.appending(to: "/dev/full").write([1]))
    }

    @Test func hostNamesBecomeAddresses() async {
        let resolver = HostResolver()
        for (host, expected) in [("localhost", true), ("host.invalid", false), ("", false), ("a\0b", false)] {
            let addresses = await withCheckedContinuation { continuation in
                resolver.resolve(host) { continuation.resume(returning: $0) }
            }
            #expect(addresses.contains { $0.isLoopback && $0.port == 0 } == expected, "\(host)")
        }
    }
}
