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
    /// Media that waits in front of an answer is no answer that was not read.
    @Test(arguments: ["PAUSE", "TEARDOWN"])
    func aReaderWithABacklogIsAnsweredBehindIt(_ method: String) async throws {
        try await RTSPServerTests.withServer {
            $0.writeQueueSize = 64
        } _: { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            let service = try #require(await server.running?.rtsp?.service)
            var publisher = try await RTSPServerTests.Client(address, loop)
            _ = await publisher.publish(url)
            var reader = try await RTSPServerTests.Client(address, loop)
            _ = await reader.play(url)
            await reader.raw.pauseReading()
            var number: UInt16 = 0
            // Its queue is longer than answers may be.
            while number < 20_000, service.counters.slowReaderSkips.load(ordering: .relaxed) == 0 {
                for _ in 0..<100 {
                    let packet = RTSPServerTests.packet(number, isKeyframe: number % 100 == 0, size: 1_300)
                    await publisher.raw.send(RTSPServerTests.frame(packet))
                    number += 1
                }
                _ = await publisher.ask("GET_PARAMETER \(url)")
            }
            await reader.raw.send("\(method) \(url) RTSP/1.0\r\nCSeq: 77\r\n\r\n")
            #expect(
                await eventually {
                    for connection in service.all where await connection.isReaderAtPlay { return false }
                    return true
                })
            #expect(service.counters.unreadReplies.load(ordering: .relaxed) == 0)
            await reader.raw.resumeReading()
            var parser = RTSPStreamParser()
            var answer: RTSPResponse?
            while answer == nil {
                let bytes = await reader.raw.takeReceived()
                try #require(!bytes.isEmpty, "the reader was cut off")
                bytes.withBytes { parser.append($0) }
                while let element = try parser.next() {
                    if case .response(let response) = element { answer = response }
                }
            }
            #expect(answer?.status.code == 200 && answer?.headers["CSeq"] == "77")
            // The bound on answers is as it was, now that the media is out.
            await reader.raw.pauseReading()
            let question = String(repeating: "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", count: 100)
            var sent = 0
            while sent < 20_000, service.counters.unreadReplies.load(ordering: .relaxed) == 0 {
                await reader.raw.send(question)
                sent += 1
                await Task.yield()
            }
            #expect(await eventually { service.counters.unreadReplies.load(ordering: .relaxed) == 1 })
        }
    }
}

extension RTSPConnection {
    fileprivate var isReaderAtPlay: Bool { machine.session?.role == .reader && machine.session?.isActive == true }
}
