import Codecs
import HTTP
import Wire

@testable import Server

/// Reads an event stream as a browser does, and keeps the picture of the rooms that docs/events.md describes.
struct FeedClient {
    struct Event: Equatable {
        var type = "message"
        var id: String?
        var data = ""
    }

    private(set) var events: [Event] = []
    private(set) var lastEventID: String?
    private(set) var retryMilliseconds: Int?
    private(set) var comments = 0
    private(set) var rooms: [String: String] = [:]
    private var current = Event()

    mutating func read(_ bytes: [UInt8]) {
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
            let ended = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            read(String(decoding: ended, as: UTF8.self))
        }
    }

    private mutating func read(_ line: String) {
        if line.isEmpty { return dispatch() }
        if line.hasPrefix(":") {
            comments += 1
        } else if line.hasPrefix("event: ") {
            current.type = String(line.dropFirst(7))
        } else if line.hasPrefix("id: ") {
            current.id = String(line.dropFirst(4))
        } else if line.hasPrefix("data: ") {
            current.data += line.dropFirst(6)
        } else if line.hasPrefix("retry: ") {
            retryMilliseconds = Int(line.dropFirst(7))
        }
    }

    private mutating func dispatch() {
        defer { current = Event() }
        lastEventID = current.id ?? lastEventID
        guard !current.data.isEmpty else { return }
        events.append(current)
        switch current.type {
        case "reset": rooms = [:]
        case "snapshot":
            rooms = [:]
            for room in Self.objects(in: current.data) { rooms[Self.name(in: room)] = room }
        case "room.created", "room.updated": rooms[Self.name(in: current.data)] = current.data
        case "room.closed": rooms[Self.name(in: current.data)] = nil
        default: break
        }
    }

    static func name(in json: String) -> String {
        guard let start = json.firstRange(of: "\"name\":\"")?.upperBound else { return "" }
        return String(json[start...].prefix { $0 != "\"" })
    }

    /// The objects of the array in `{"rooms":[…]}`; names in tests hold no braces.
    private static func objects(in json: String) -> [String] {
        var objects: [String] = []
        var depth = 0
        var text = ""
        for character in json.dropFirst(10) {
            if character == "{" { depth += 1 }
            if depth > 0 { text.append(character) }
            guard character == "}" else { continue }
            depth -= 1
            if depth == 0 {
                objects.append(text)
                text = ""
            }
        }
        return objects
    }

    /// What a client with a whole and current picture would hold.
    static func picture(of rooms: [FeedRoom]) -> [String: String] {
        var picture: [String: String] = [:]
        for room in rooms {
            var json = JSONWriter()
            room.write(to: &json)
            picture[room.name] = String(decoding: json.bytes, as: UTF8.self)
        }
        return picture
    }
}

extension FeedRoom {
    init(_ name: String, viewers: Int = 0) {
        self.init(
            name: name, numericID: 7, publisher: nil, tracks: [Track(kind: .video, codec: .h264)], viewers: viewers)
    }
}
