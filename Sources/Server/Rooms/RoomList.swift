import Codecs
import HTTP
import Streams
import Wire

/// The rooms that are live, in the shapes SigmaMediaServer's clients read. Everybody may read it, so rooms that ask
/// viewers for a token are not on it (SSE-12).
struct RoomList: Sendable {
    let directory: RoomDirectory
    let peers: PeerBook
    let settings: @Sendable () -> ServerSettings

    /// `{"rooms":[{"viewer_count":0,"id":123,"name":"cam1","tracks":["H264"],"publisher":"whip","connected":true}]}`;
    /// not connected is a publisher that has been answered and whose media cannot flow yet.
    func json() async -> [UInt8] {
        var rooms: [(entry: RoomEntry, snapshot: RoomSnapshot)] = []
        let settings = settings()
        for entry in await directory.all where settings.room(named: entry.room.name)?.readToken == nil {
            let snapshot = await entry.room.snapshot
            if snapshot.publisher != nil { rooms.append((entry, snapshot)) }
        }
        var json = JSONWriter()
        json.object {
            $0.member("rooms") {
                $0.array {
                    for (entry, snapshot) in rooms {
                        $0.object {
                            $0.member("viewer_count", snapshot.viewers.count)
                            $0.member("id", entry.numericID)
                            $0.member("name", snapshot.name)
                            $0.member("tracks") {
                                $0.array { for format in snapshot.formats { $0.value(format.encodingName) } }
                            }
                            $0.member("publisher", snapshot.origin ?? PeerProtocol.internal.rawValue)
                            $0.member("connected", !(snapshot.publisher.map { peers.isConnecting($0) } ?? false))
                        }
                    }
                }
            }
        }
        return json.bytes
    }
}
