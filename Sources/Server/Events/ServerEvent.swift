public import Codecs
public import Streams
public import Wire

/// How a peer reached the server, or with `rtspSource` the server its peer. Raw values appear in logs, feeds and labels of
/// metrics.
public enum PeerProtocol: String, Sendable, Hashable { case whip, whep, rtsp, rtspSource, rtmp, hls, `internal` }

public enum PeerRole: String, Sendable, Hashable { case publisher, viewer }

/// Who an event is about.
public struct PeerDescription: Sendable, Hashable {
    public var id: PeerID
    public var `protocol`: PeerProtocol
    public var remote: SocketAddress?

    public init(id: PeerID, protocol: PeerProtocol, remote: SocketAddress? = nil) {
        self.id = id
        self.protocol = `protocol`
        self.remote = remote
    }
}

/// Everything that happens to rooms and peers, once, for logs, metrics and feeds alike.
public enum ServerEvent: Sendable, Hashable {
    case roomCreated(room: String)
    case roomClosed(room: String)
    case publisherStarted(room: String, PeerDescription)
    case publisherStopped(room: String, PeerDescription, EndReason)
    /// `new` took the room over from `old`.
    case publisherReplaced(room: String, old: PeerDescription, new: PeerDescription)
    /// A publisher waits to stand in for the active one, or left before it did.
    case standbyJoined(room: String, PeerDescription)
    case standbyLeft(room: String, PeerDescription)
    /// Viewers see `to` from now on. `from` goes on waiting; it is nil when it has ended.
    case publisherSwitched(room: String, from: PeerDescription?, to: PeerDescription, SwitchReason)
    case viewerJoined(room: String, PeerDescription)
    case viewerLeft(room: String, PeerDescription, EndReason)
    /// A session that never carried media.
    case sessionFailed(room: String, SessionFailure)
    case trackAdded(room: String, TrackID, MediaKind, Codec)
    case trackCodecChanged(room: String, TrackID, from: Codec, to: Codec)
    /// Sound of this codec, which browsers do not take, is converted for viewers.
    case soundConverted(room: String, codec: String, decoder: String)
    /// Viewers get no sound, because browsers do not take this codec's and it is not converted.
    case soundOmitted(room: String, codec: String, String, advice: String)
    case certificateReloaded(path: String)
    case certificateReloadFailed(path: String, reason: String)
    case settingsReloaded(version: UInt64)
    case serverStarted
    case serverStopping

    /// The room it concerns; nil for the server as a whole.
    public var room: String? {
        switch self {
        case .roomCreated(let room), .roomClosed(let room), .publisherStarted(let room, _),
            .publisherStopped(let room, _, _), .publisherReplaced(let room, _, _), .viewerJoined(let room, _),
            .viewerLeft(let room, _, _), .sessionFailed(let room, _), .trackAdded(let room, _, _, _),
            .trackCodecChanged(let room, _, _, _), .standbyJoined(let room, _), .standbyLeft(let room, _),
            .publisherSwitched(let room, _, _, _), .soundConverted(let room, _, _), .soundOmitted(let room, _, _, _):
            room
        case .certificateReloaded, .certificateReloadFailed, .settingsReloaded, .serverStarted, .serverStopping: nil
        }
    }

    /// A stable name for feeds and labels.
    public var name: String {
        switch self {
        case .roomCreated: "roomCreated"
        case .roomClosed: "roomClosed"
        case .publisherStarted: "publisherStarted"
        case .publisherStopped: "publisherStopped"
        case .publisherReplaced: "publisherReplaced"
        case .standbyJoined: "standbyJoined"
        case .standbyLeft: "standbyLeft"
        case .publisherSwitched: "publisherSwitched"
        case .viewerJoined: "viewerJoined"
        case .viewerLeft: "viewerLeft"
        case .sessionFailed: "sessionFailed"
        case .trackAdded: "trackAdded"
        case .trackCodecChanged: "trackCodecChanged"
        case .soundConverted: "soundConverted"
        case .soundOmitted: "soundOmitted"
        case .certificateReloaded: "certificateReloaded"
        case .certificateReloadFailed: "certificateReloadFailed"
        case .settingsReloaded: "settingsReloaded"
        case .serverStarted: "serverStarted"
        case .serverStopping: "serverStopping"
        }
    }
}

/// An event in the order the hub gave it.
public struct EventRecord: Sendable, Hashable {
    /// Counts from 1 without gaps.
    public var id: UInt64
    /// Milliseconds since 1970 (UTC).
    public var milliseconds: Int64
    public var event: ServerEvent
}
