import HTTP
import Streams
import Wire

/// Viewers whose sessions the server ended for one reason.
struct EndedViewers: Hashable {
    var room: String
    var reason: EndReason
}

/// Something that happened in a room and is no state of it.
struct RoomOccurrence: Sendable {
    var event: String
    var room: String
    var json: [UInt8]
    /// What operators are told instead, whether they may watch the room or not.
    var operatorJSON: [UInt8]?

    init(event: String, room: String, json: [UInt8], operatorJSON: [UInt8]? = nil) {
        self.event = event
        self.room = room
        self.json = json
        self.operatorJSON = operatorJSON
    }

    init(replaced old: PeerID, by new: PeerID, room: String) {
        self.init(
            event: "publisher.replaced", room: room,
            json: Self.json {
                $0.member("room", room)
                $0.member("from", old.value)
                $0.member("to", new.value)
            })
    }

    init(switchedFrom old: PeerID?, to new: PeerID, _ reason: SwitchReason, room: String) {
        self.init(
            event: "publisher.switched", room: room,
            json: Self.json {
                $0.member("room", room)
                $0.member("from") { if let old { $0.value(old.value) } else { $0.value(nil as String?) } }
                $0.member("to", new.value)
                $0.member("reason", reason.rawValue)
            })
    }

    init(_ ended: EndedViewers, count: Int) {
        self.init(
            event: "viewers.ended", room: ended.room,
            json: Self.json {
                $0.member("room", ended.room)
                $0.member("reason", ended.reason.rawValue)
                $0.member("viewers", count)
            })
    }

    init(soundOf room: String, _ codec: String, convertedTo format: String) {
        self.init(
            event: "sound.converted", room: room,
            json: Self.json {
                $0.member("room", room)
                $0.member("codec", codec)
                $0.member("to", format)
            })
    }

    init(soundOf room: String, _ codec: String, omitted reason: String, advice: String) {
        self.init(
            event: "sound.omitted", room: room,
            json: Self.json {
                $0.member("room", room)
                $0.member("codec", codec)
                $0.member("reason", reason)
                $0.member("advice", advice)
            })
    }

    /// Addresses and what was tried are for operators alone.
    init(_ failure: SessionFailure, room: String) {
        self.init(
            event: "session.failed", room: room, json: Self.json { Self.write(failure, room, to: &$0) },
            operatorJSON: Self.json {
                Self.write(failure, room, to: &$0)
                $0.member("protocol", failure.protocol.rawValue)
                $0.member("from", failure.remote?.host)
                $0.member("tried") { $0.array { for candidate in failure.candidates { $0.value(candidate) } } }
                $0.member("detail", failure.detail)
            })
    }

    private static func write(_ failure: SessionFailure, _ room: String, to json: inout JSONWriter) {
        json.member("room", room)
        json.member("role", failure.role.rawValue)
        json.member("session") { json in
            if let peer = failure.peer { json.value(peer.value) } else { json.value(nil as String?) }
        }
        json.member("reason", failure.reason.rawValue)
        json.member("progress", failure.progress.word)
        json.member("advice", failure.advice)
    }

    private static func json(_ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var json = JSONWriter()
        json.object(body)
        return json.bytes
    }
}
