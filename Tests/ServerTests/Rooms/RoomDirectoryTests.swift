import Streams
import Testing
import Wire

@testable import Server

@Suite struct RoomDirectoryTests {
    @Test func roomsAreMadeOnceAndSpreadOverTheLoops() async throws {
        try await ServerHarness.with(loops: 2) { server in
            let directory = server.directory
            let first = try await directory.open("a", policy: RoomPolicy(), limit: 2)
            let again = try await directory.open("a", policy: RoomPolicy(), limit: 2)
            let second = try await directory.open("b", policy: RoomPolicy(), limit: 2)
            #expect(first.room === again.room)
            #expect(first.loop !== second.loop)
            #expect(first.arena !== second.arena)
            #expect(first.room.track(.video).id != second.room.track(.video).id)
            await #expect(throws: RoomDirectory.DirectoryError.tooManyRooms(limit: 2)) {
                try await directory.open("c", policy: RoomPolicy(), limit: 2)
            }
            #expect(await directory.all.map(\.room.name) == ["a", "b"])
            #expect(await directory.room(numericID: first.numericID)?.room === first.room)
            await directory.discard(first)
            await directory.discard(first)
            #expect(await directory.room(named: "a") == nil)
        }
    }

    @Test func aNumberForANameIsKept() async throws {
        try await ServerHarness.with { server in
            let entry = try await server.directory.open("123", policy: RoomPolicy(), limit: 9)
            #expect(entry.numericID == 123)
            // Written another way it is another room, and the number is taken.
            let other = try await server.directory.open("0123", policy: RoomPolicy(), limit: 9)
            #expect(other.numericID != 123)
            #expect(UInt32(await server.directory.unusedName()) != nil)
        }
    }

    @Test func aStoppedDirectoryMakesNoRooms() async throws {
        try await ServerHarness.with { server in
            let entry = try await server.directory.open("a", policy: RoomPolicy(), limit: 9)
            await server.directory.stop()
            #expect(await server.directory.count == 0)
            await #expect(throws: RoomDirectory.DirectoryError.stopping) {
                try await server.directory.open("b", policy: RoomPolicy(), limit: 9)
            }
            await #expect(throws: RoomError.closed) { try await entry.room.join(NoViewer()) }
        }
    }
}

private final class NoViewer: ViewerHandle {
    let peerID = PeerID(1)
    func end(_ reason: ViewerEnd) {}
}
