import Loop
import Testing
import WebRTC
import Wire

@testable import Server

@Suite struct HandshakeQueueTests {
    /// Begins like a handshake record and is none.
    private static let junk: [UInt8] = [22, 0xFE, 0xFD] + [UInt8](repeating: 0, count: 40)

    private func drain(_ queue: HandshakeQueue) async -> Bool {
        await eventually { await queue.waitingCount == 0 }
    }

    @Test func aCrowdIsTakenAFewStepsPerTurn() async throws {
        let fixture = try TransportFixture()
        var sessions: [TestSession] = []
        for number in 1...50 {
            let session = try await fixture.session(UInt64(number))
            await session.transport.take([session.check(1)], on: .port(UInt16(number)))
            sessions.append(session)
        }
        let all = sessions
        let queue = fixture.handshakes
        await queue.inOneTurn {
            for session in all {
                session.transport.onLoop {
                    $0.take([Self.junk], on: .port(UInt16($0.peerID.value)))
                }
            }
        }
        #expect(await queue.statistics.queued == 50 - UInt64(HandshakeQueue.stepsPerTurn))
        #expect(await drain(queue))
        #expect(await queue.statistics.dropped == 0)
        fixture.loop.stop()
    }

    @Test func oneSessionCannotFillTheQueue() async throws {
        let fixture = try TransportFixture()
        let session = try await fixture.session(1)
        await session.transport.take([session.check(1)], on: .port(1))
        await session.transport.take([[UInt8]](repeating: Self.junk, count: 1_000), on: .port(1))
        let statistics = await fixture.handshakes.statistics
        #expect(statistics.queued == UInt64(HandshakeQueue.datagramsPerSession))
        #expect(statistics.dropped == 1_000 - statistics.queued - UInt64(HandshakeQueue.stepsPerTurn))
        #expect(await drain(fixture.handshakes))
        fixture.loop.stop()
    }

    @Test func whatComesFromUnvalidatedTuplesTakesNoPlace() async throws {
        let fixture = try TransportFixture()
        let session = try await fixture.session(1)
        await session.transport.take([[UInt8]](repeating: Self.junk, count: 100), on: .port(1))
        #expect(await fixture.handshakes.statistics.queued == 0)
        #expect(await session.transport.snapshot.drops.unvalidatedTuple == 100)
        fixture.loop.stop()
    }
}

extension HandshakeQueue {
    func inOneTurn(_ body: @Sendable () -> Void) { body() }
}
