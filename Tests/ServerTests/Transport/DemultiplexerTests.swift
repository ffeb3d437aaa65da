import Loop
import Testing
import Wire

@testable import Server

@Suite struct DemultiplexerTests {
    private static let hello: [UInt8] = [22, 0xFE, 0xFD] + [UInt8](repeating: 0, count: 20)

    @Test func whatBelongsToNobodyGoesNowhere() async throws {
        let fixture = try TransportFixture()
        let stranger = try await fixture.session(1)
        fixture.demultiplexer.removeAll(of: stranger.transport)
        for first in UInt8.min...UInt8.max {
            #expect(await fixture.demultiplexer.destination(of: [first, 0, 0, 0], on: .port(1)) == nil)
        }
        #expect(await fixture.demultiplexer.destination(of: stranger.check(1), on: .port(1)) == nil)
        #expect(await fixture.demultiplexer.destination(of: [], on: .port(1)) == nil)
        #expect(await fixture.demultiplexer.snapshot.tuples == 0)
        fixture.loop.stop()
    }

    @Test func aCheckMapsItsTupleSoThatTheHandshakeFindsItsWay() async throws {
        let fixture = try TransportFixture()
        let session = try await fixture.session(1)
        #expect(await fixture.demultiplexer.destination(of: Self.hello, on: .port(1)) == nil)
        #expect(await fixture.demultiplexer.destination(of: session.check(1), on: .port(1)) == PeerID(1))
        #expect(await fixture.demultiplexer.destination(of: Self.hello, on: .port(1)) == PeerID(1))
        #expect(await fixture.demultiplexer.destination(of: Self.hello, on: .port(2)) == nil)
        fixture.loop.stop()
    }

    @Test func tuplesThatProveNothingMakeRoomForTheOneThatDoes() async throws {
        let fixture = try TransportFixture()
        let session = try await fixture.session(1)
        let forged = session.check(1, password: "wrong")
        for port in 1...200 {
            _ = await fixture.demultiplexer.destination(of: forged, on: .port(UInt16(port)))
        }
        #expect(await fixture.demultiplexer.snapshot.tuples == Demultiplexer.maximumTuplesPerTransport)
        await session.transport.take([session.check(2)], on: .port(500))
        #expect(await fixture.demultiplexer.destination(of: Self.hello, on: .port(500)) == PeerID(1))
        for port in 1...200 {
            _ = await fixture.demultiplexer.destination(of: forged, on: .port(UInt16(port)))
        }
        #expect(await fixture.demultiplexer.destination(of: Self.hello, on: .port(500)) == PeerID(1))
        #expect(await fixture.demultiplexer.snapshot.tuples == Demultiplexer.maximumTuplesPerTransport)
        fixture.loop.stop()
    }

    @Test func aProvenSessionTakesATupleFromOneThatProvedNothing() async throws {
        let fixture = try TransportFixture()
        let forger = try await fixture.session(1)
        let victim = try await fixture.session(2)
        #expect(
            await fixture.demultiplexer.destination(of: forger.check(1, password: "wrong"), on: .port(1)) == PeerID(1))
        #expect(await fixture.demultiplexer.destination(of: victim.check(1), on: .port(1)) == PeerID(2))
        await victim.transport.take([victim.check(1)], on: .port(1))
        #expect(await fixture.demultiplexer.destination(of: Self.hello, on: .port(1)) == PeerID(2))
        fixture.loop.stop()
    }

    @Test func forgedChecksOfOnesOwnSessionTakeNoTupleFromItsUser() async throws {
        let fixture = try TransportFixture()
        let attacker = try await fixture.session(1)
        let victim = try await fixture.session(2)
        await victim.transport.take([victim.check(1)], on: .port(1))
        for transaction in 1...20 {
            await attacker.transport.take([attacker.check(UInt64(transaction))], on: .port(1))
        }
        // A round trip over the loop: the contest has been decided by then.
        _ = await fixture.demultiplexer.snapshot
        #expect(await fixture.demultiplexer.destination(of: Self.hello, on: .port(1)) == PeerID(2))
        fixture.loop.stop()
    }

    @Test func aClientThatComesBackOnItsPortGetsTheTupleOfItsSilentSession() async throws {
        let fixture = try TransportFixture()
        let crashed = try await fixture.session(1)
        let newcomer = try await fixture.session(2)
        await crashed.transport.take([crashed.check(1)], on: .port(1), secondsAgo: 8)
        await newcomer.transport.take([newcomer.check(1)], on: .port(1))
        for _ in 0..<10 {
            if await fixture.demultiplexer.destination(of: Self.hello, on: .port(1)) == PeerID(2) { break }
        }
        #expect(await fixture.demultiplexer.destination(of: Self.hello, on: .port(1)) == PeerID(2))
        fixture.loop.stop()
    }
}
