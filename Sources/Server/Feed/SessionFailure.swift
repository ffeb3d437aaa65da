import HTTP
import WebRTC
import Wire

/// A session that ended without media, as far as the feed tells of it: no addresses, which are for the log alone.
struct SessionFailure: Sendable {
    var room: String
    var role: PeerRole
    var peer: PeerID
    var reason: EndReason
    var progress: TransportProgress

    var json: [UInt8] {
        var json = JSONWriter()
        json.object {
            $0.member("room", room)
            $0.member("role", role.rawValue)
            $0.member("session", peer.value)
            $0.member("reason", reason.rawValue)
            $0.member("progress", progress.rawValue)
            $0.member("advice", reason.advice(after: progress))
        }
        return json.bytes
    }
}
