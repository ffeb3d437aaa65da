import TestKit
import Testing
import Wire

@testable import Server

@Suite struct SessionLimitsTests {
    private let one = SocketAddress(ipv4: 0xC000_0201, port: 1)
    private let two = SocketAddress(ipv4: 0xC000_0202, port: 1)

    private func limits(sessions: Int = 100, rooms: Int = 100, perAddress: Int = 0) -> SessionLimits {
        var settings = ServerSettings()
        settings.maxSessions = sessions
        settings.maxRooms = rooms
        settings.maxViewersPerIP = perAddress
        return SessionLimits(settings)
    }

    @Test func theThirdViewerOfARoomForTwoIsRefused() throws {
        var limits = limits()
        _ = try limits.admit(.publisher, room: "a", maximumReaders: 2, from: one)
        let first = try limits.admit(.viewer, room: "a", maximumReaders: 2, from: one)
        _ = try limits.admit(.viewer, room: "a", maximumReaders: 2, from: two)
        #expect(throws: SessionLimits.Refusal.maxReaders) {
            try limits.admit(.viewer, room: "a", maximumReaders: 2, from: one)
        }
        _ = try limits.admit(.viewer, room: "b", maximumReaders: 2, from: one)
        limits.release(first)
        _ = try limits.admit(.viewer, room: "a", maximumReaders: 2, from: one)
        #expect(limits.viewerCount(in: "a") == 2)
        #expect(limits.refusalCount(.maxReaders) == 1)
    }

    @Test func viewersOfOneAddressAreLimitedAndPublishersAreNot() throws {
        var limits = limits(perAddress: 1)
        _ = try limits.admit(.viewer, room: "a", maximumReaders: 0, from: one)
        #expect(throws: SessionLimits.Refusal.maxViewersPerIP) {
            try limits.admit(.viewer, room: "b", maximumReaders: 0, from: one.withPort(9))
        }
        _ = try limits.admit(.publisher, room: "a", maximumReaders: 0, from: one)
        _ = try limits.admit(.viewer, room: "a", maximumReaders: 0, from: two)
        #expect(limits.viewerCount(from: one) == 1)
    }

    @Test func sessionsAndRoomsAreLimited() throws {
        var limits = limits(sessions: 2, rooms: 1)
        let first = try limits.admit(.publisher, room: "a", maximumReaders: 0, from: one)
        #expect(throws: SessionLimits.Refusal.maxRooms) {
            try limits.admit(.publisher, room: "b", maximumReaders: 0, from: one)
        }
        let second = try limits.admit(.viewer, room: "a", maximumReaders: 0, from: one)
        #expect(throws: SessionLimits.Refusal.maxSessions) {
            try limits.admit(.viewer, room: "a", maximumReaders: 0, from: two)
        }
        limits.release(first)
        #expect(limits.roomCount == 1)
        limits.release(second)
        #expect(limits.roomCount == 0)
        _ = try limits.admit(.publisher, room: "b", maximumReaders: 0, from: one)
    }

    @Test func aTicketIsGivenBackOnce() throws {
        var limits = limits()
        let ticket = try limits.admit(.viewer, room: "a", maximumReaders: 0, from: one)
        _ = try limits.admit(.viewer, room: "a", maximumReaders: 0, from: one)
        limits.release(ticket)
        limits.release(ticket)
        #expect(limits.sessionCount == 1 && limits.viewerCount(in: "a") == 1 && limits.viewerCount(from: one) == 1)
    }

    @Test func lowerLimitsKeepSessionsAndRefuseNewOnes() throws {
        var limits = limits()
        for _ in 0..<5 { _ = try limits.admit(.viewer, room: "a", maximumReaders: 0, from: one) }
        var settings = ServerSettings()
        settings.maxSessions = 3
        limits.change(settings)
        #expect(limits.sessionCount == 5)
        #expect(throws: SessionLimits.Refusal.maxSessions) {
            try limits.admit(.viewer, room: "a", maximumReaders: 0, from: one)
        }
    }

    @Test func countsReturnToZeroWhateverHappens() {
        var random = SplitMix64(seed: 5)
        var limits = limits(sessions: 20, rooms: 4, perAddress: 5)
        var tickets: [SessionLimits.Ticket] = []
        for _ in 0..<5_000 {
            if Bool.random(using: &random) {
                let role: PeerRole = Bool.random(using: &random) ? .viewer : .publisher
                let room = "room\(Int.random(in: 0..<6, using: &random))"
                let address = SocketAddress(ipv4: .random(in: 0..<4, using: &random), port: 1)
                if let ticket = try? limits.admit(role, room: room, maximumReaders: 3, from: address) {
                    tickets.append(ticket)
                }
                #expect(limits.viewerCount(in: room) <= 3 && limits.viewerCount(from: address) <= 5)
            } else if let index = tickets.indices.randomElement(using: &random) {
                limits.release(tickets.remove(at: index))
            }
            #expect(limits.sessionCount == tickets.count && limits.sessionCount <= 20 && limits.roomCount <= 4)
        }
        for ticket in tickets { limits.release(ticket) }
        #expect(limits.sessionCount == 0 && limits.roomCount == 0)
        for value in 0..<4 { #expect(limits.viewerCount(from: SocketAddress(ipv4: UInt32(value), port: 0)) == 0) }
    }
}
