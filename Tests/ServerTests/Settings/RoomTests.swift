import Testing

@testable import Server

@Suite struct RoomTests {
    @Test(arguments: [
        "a", "cam1", "live/main", "a.b", "..a", "a~b-c_d", "Cam:1", "live/rooms",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        String(repeating: "a", count: 255),
    ])
    func goodNames(_ name: String) { #expect(RoomName.problem(with: name) == nil) }

    @Test(arguments: [
        "", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a b", "a\n", "é", "a?b", "a#b", "a%b", "a\\b", "a\"b",
        "<a>",
        "whip", "live/whep", "whip/a", "live/publish", "rooms", "v3/x", "check", "metrics", "notifications",
        String(repeating: "a", count: 256), "a\u{0}",
    ])
    func badNames(_ name: String) throws {
        #expect(RoomName.problem(with: name) != nil)
        #expect(try load(nil).settings.room(named: name) == nil)
    }

    @Test func aNameWinsOverPatternsAndAllOthers() throws {
        let settings = try load(
            """
            pathDefaults: {maxReaders: 9}
            paths:
              all_others: {maxReaders: 1}
              '~^cam[0-9]+$': {maxReaders: 2}
              '~^cam': {maxReaders: 3}
              cam7: {maxReaders: 4}
              plain:
            """
        ).settings
        #expect(settings.room(named: "x")?.maxReaders == 1)
        #expect(settings.room(named: "cam1")?.maxReaders == 2)
        #expect(settings.room(named: "camera")?.maxReaders == 3)
        #expect(settings.room(named: "cam7")?.maxReaders == 4)
        #expect(settings.room(named: "plain")?.maxReaders == 9)
        #expect(settings.room(named: "cam1")?.entry == "~^cam[0-9]+$")
        #expect(settings.room(named: "cam1")?.room == "cam1")
    }

    @Test func withoutAllOthersOtherRoomsMayNotExist() throws {
        let settings = try load("paths: {cam1: }").settings
        #expect(settings.room(named: "cam1") != nil)
        #expect(settings.room(named: "cam2") == nil)
        #expect(try load("paths:").settings.room(named: "cam2") != nil)
    }

    @Test func aPathWhoseSourceIsNotAvailableIsNotServed() throws {
        let loaded = try load("paths: {cam1: {source: 'rtmp://camera/'}, all_others: }")
        #expect(loaded.settings.room(named: "cam1") == nil)
        #expect(loaded.settings.room(named: "cam2") != nil)
        #expect(loaded.warnings.count == 1)
    }

    @Test func bothNamesOfAllOthersTogetherAreAFault() {
        #expect(faults("paths: {all: , all_others: }").contains("means the same as another path"))
    }
}
