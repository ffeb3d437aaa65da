import Loop
import RTSP
import Synchronization
import Testing
import Wire

@testable import Server

/// A client that asks on and on and reads nothing is not answered into memory for ever.
@Suite struct RTSPUnreadAnswersTests {
    @Test func whoReadsNoAnswersIsEndedAndOthersAreServed() async throws {
        try await RTSPServerTests.withServer { server, address, loop in
            let service = try #require(await server.running?.rtsp?.service)
            let greedy = try await RTSPServerTests.Client(address, loop)
            await greedy.raw.pauseReading()
            let question = String(repeating: "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", count: 100)
            var sent = 0
            // What the sockets of both sides hold is the system's; far more than that is asked here.
            while sent < 20_000, service.counters.unreadReplies.load(ordering: .relaxed) == 0 {
                await greedy.raw.send(question)
                sent += 1
                await Task.yield()
            }
            #expect(await eventually { service.counters.unreadReplies.load(ordering: .relaxed) == 1 })
            #expect(await eventually { service.connectionCount == 0 })
            var honest = try await RTSPServerTests.Client(address, loop)
            #expect(await honest.ask("OPTIONS *").hasPrefix(RTSPServerTests.success))
        }
    }
}
