import Secure
import Streams
import WebRTC
import Wire

/// The two kinds of WebRTC peer behind a session.
enum WebRTCPeer: Sendable {
    case publisher(WebRTCPublisher)
    case viewer(WebRTCViewer)

    var transport: PeerTransport {
        switch self {
        case .publisher(let peer): peer.transport
        case .viewer(let peer): peer.transport
        }
    }

    var room: Room {
        switch self {
        case .publisher(let peer): peer.room
        case .viewer(let peer): peer.room
        }
    }

    func close(_ end: PeerEnd) async {
        switch self {
        case .publisher(let peer): await peer.close(end)
        case .viewer(let peer): await peer.close(end)
        }
    }
}

/// One WHIP or WHEP resource: a peer behind an unguessable URL.
struct WebRTCSession: Sendable {
    /// The secret in the URL: 128 random bits, as 22 URL-safe characters.
    let id: String
    let role: PeerRole
    let description: PeerDescription
    let peer: WebRTCPeer
    /// Strong validator of the first ICE generation, quotes included; see ``entityTag(of:)``.
    let entityTag: String
    /// What the answer said of ICE, to be said again when it is restarted.
    let ice: AnsweredICE
    /// SHA-256 of the token the session was made with; nil when it was made without one.
    let tokenDigest: [UInt8]?
    let ticket: SessionLimits.Ticket
    /// The place of the video among the media sections; nil without.
    var videoIndex: Int?
    /// What the answer calls that section; empty without.
    var videoMid = ""
    var roomName: String { peer.room.name }

    /// Whether clients mean the video by `mediaId`: its index, or its mid. None means it too.
    func isVideo(_ mediaId: String?) -> Bool {
        guard let videoIndex else { return false }
        guard let mediaId else { return true }
        return mediaId == String(videoIndex) || (!videoMid.isEmpty && mediaId == videoMid)
    }

    /// Whether a request that brings this token may act on the session: a session belongs to the token that made it.
    func isOwned(by digest: [UInt8]?) -> Bool { Self.isOwned(tokenDigest, by: digest) }

    /// Whether what was made with `tokenDigest` belongs to the bearer of `digest`; compared in constant time.
    static func isOwned(_ tokenDigest: [UInt8]?, by digest: [UInt8]?) -> Bool {
        guard let tokenDigest else { return true }
        guard let digest else { return false }
        return tokenDigest.withBytes { own in digest.withBytes { constantTimeEquals(own, $0) } }
    }

    static func newID() -> String { urlSafe(SecureRandom.bytes(16)) }

    static func urlSafe(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var count: UInt32 = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 6 {
                count -= 6
                text.append(alphabet[Int(bits >> count & 63)])
            }
        }
        if count > 0 { text.append(alphabet[Int(bits << (6 - count) & 63)]) }
        return String(decoding: text, as: UTF8.self)
    }
}
