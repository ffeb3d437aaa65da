public import Codecs
public import Streams
public import WebRTC
public import Wire

/// How a peer reached the server. Raw values appear in logs, feeds and labels of metrics.
public enum PeerProtocol: String, Sendable, Hashable { case whip, whep, rtsp, rtmp, hls, `internal` }

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

/// Why a peer left or never arrived. Raw values are stable: they appear in feeds and labels of metrics.
public enum EndReason: String, Sendable, Hashable, CaseIterable {
    /// The client asked for it (DELETE, BYE, close_notify).
    case left
    case roomClosed
    case replaced
    /// Nothing was heard from the client within the consent time.
    case silent
    /// The client took what it was sent too slowly, or not at all.
    case tooSlow
    case iceNeverConnected
    case dtlsFailed
    case dtlsTimeout
    case noMedia
    /// The client ended its session before it was connected.
    case gaveUp
    case negotiationFailed
    case limitReached
    case serverStopping
    case removedByOperator
    case internalError

    /// Whether an operator should look at it.
    public var isFailure: Bool {
        switch self {
        case .left, .roomClosed, .replaced, .serverStopping, .removedByOperator: false
        default: true
        }
    }

    /// What an operator can do about it; nil when nothing needs doing.
    public var advice: String? {
        switch self {
        case .iceNeverConnected:
            "open the UDP port of webrtcLocalUDPAddress in firewalls, and set webrtcAdditionalHosts to the address "
                + "that clients reach this machine at"
        case .silent: "the client went away or its network lost all packets"
        case .tooSlow: "the client's player stands still or its network is too narrow for the stream"
        case .dtlsFailed: "the client's certificate or its fingerprint was not accepted"
        case .dtlsTimeout: "large datagrams may be lost on the way; check the MTU"
        case .noMedia:
            "the connection stood and no media came: check that the publisher's encoder runs and sends keyframes"
        case .gaveUp: "the client waited for its connection and left; its address and how far it came say why"
        case .negotiationFailed: "the offer has no codec both sides know"
        case .limitReached: "raise the limit that is named or add a server"
        default: nil
        }
    }

    /// What an operator can do about a session that came this far and no further.
    public func advice(after progress: TransportProgress) -> String? {
        switch (self, progress) {
        case (.gaveUp, .answered), (.silent, .answered): Self.iceNeverConnected.advice
        case (.gaveUp, .checked):
            "checks arrived and no handshake followed: the server's answers may not reach the client; check what "
                + "filters outgoing UDP"
        case (.gaveUp, .handshaking), (.silent, .handshaking): Self.dtlsTimeout.advice
        default: advice
        }
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
    /// A session that never carried media. `tried` says what was attempted, for example the candidates offered.
    case sessionFailed(
        room: String, PeerRole, PeerDescription, EndReason, tried: String, progress: TransportProgress = .answered)
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
            .viewerLeft(let room, _, _), .sessionFailed(let room, _, _, _, _, _), .trackAdded(let room, _, _, _),
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
