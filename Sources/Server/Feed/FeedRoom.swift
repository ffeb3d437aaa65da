import Codecs
import HTTP
import Wire

/// A room as the feed tells of it. What changes here makes an event.
struct FeedRoom: Hashable, Sendable {
    struct Publisher: Hashable, Sendable {
        var peer: PeerID
        var `protocol`: PeerProtocol
        /// Whether media can flow; before that the publisher has only been answered.
        var isConnected: Bool
    }

    struct Track: Hashable, Sendable {
        var kind: MediaKind
        var codec: Codec
    }

    var name: String
    var numericID: UInt32
    /// Nil while viewers wait for a publisher that has left.
    var publisher: Publisher?
    /// Publishers that wait to stand in for it, in the order in which they would.
    var standbys: [PeerID] = []
    var tracks: [Track]
    var viewers: Int

    func write(to json: inout JSONWriter) {
        json.object {
            $0.member("name", name)
            $0.member("id", numericID)
            $0.member("publisher") { json in
                guard let publisher else { return json.value(nil as String?) }
                json.object {
                    $0.member("id", publisher.peer.value)
                    $0.member("protocol", publisher.protocol.rawValue)
                    $0.member("connected", publisher.isConnected)
                }
            }
            $0.member("standbys") { $0.array { for peer in standbys { $0.value(peer.value) } } }
            $0.member("tracks") {
                $0.array {
                    for track in tracks {
                        $0.object {
                            $0.member("kind", track.kind.word)
                            $0.member("codec", track.codec.rawValue)
                        }
                    }
                }
            }
            $0.member("viewers", viewers)
        }
    }
}

extension MediaKind {
    fileprivate var word: String { self == .video ? "video" : "audio" }
}

/// How well a room's media travels, over the time since the numbers before.
struct RoomQuality: Hashable, Sendable {
    var room: String
    /// Bits per second from the publisher and to all viewers together.
    var bitrateIn: UInt64
    var bitrateOut: UInt64
    /// Packets that viewers reported lost, less those that they took back because they came late.
    var packetsLost: UInt64
    /// Between the server and its viewers: the mean and the worst; nil before a viewer's report tells.
    var meanRoundTripMilliseconds: Double?
    var worstRoundTripMilliseconds: Double?
    /// What the slowest viewer's link is thought to carry, in bits per second; nil when no link is known.
    var slowestLink: UInt64?
    /// Viewers whose video waits for a keyframe because their link does not carry it.
    var viewersHeldBack = 0

    var json: [UInt8] {
        var json = JSONWriter()
        json.object {
            $0.member("room", room)
            $0.member("bitrateIn", bitrateIn)
            $0.member("bitrateOut", bitrateOut)
            $0.member("packetsLost", packetsLost)
            $0.member("roundTripMs", Self.rounded(meanRoundTripMilliseconds))
            $0.member("worstRoundTripMs", Self.rounded(worstRoundTripMilliseconds))
            $0.member("slowestLink", slowestLink.map { Double($0) } ?? .nan)
            $0.member("viewersHeldBack", viewersHeldBack)
        }
        return json.bytes
    }

    /// JSON has no infinite numbers: what is not known is written as null.
    private static func rounded(_ milliseconds: Double?) -> Double {
        milliseconds.map { ($0 * 10).rounded() / 10 } ?? .nan
    }
}
