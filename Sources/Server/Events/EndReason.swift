public import WebRTC

/// Why a peer left or never arrived. Raw values are stable: they appear in feeds and labels of metrics.
public enum EndReason: String, Sendable, Hashable, CaseIterable {
    /// The client asked for it (DELETE, BYE, close_notify).
    case left
    case roomClosed
    /// The publisher came back with a codec that the viewer has not negotiated (WHEP-9).
    case codecChanged
    /// The publisher stayed away for longer than the room waits.
    case publisherGone
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
    /// The offer could not be taken.
    case negotiationFailed
    case limitReached
    /// A viewer asked for a room in which nobody publishes. It waits and asks again.
    case nobodyPublishes
    /// The room is another publisher's, or changed while the session was made.
    case conflict
    /// The configuration has no such room.
    case unknownRoom
    /// The token is missing, wrong or another room's.
    case unauthorized
    case serverStopping
    case removedByOperator
    case internalError

    /// Whether an operator should look at it.
    public var isFailure: Bool {
        switch self {
        case .left, .roomClosed, .codecChanged, .publisherGone, .replaced, .serverStopping, .removedByOperator,
            .nobodyPublishes:
            false
        default: true
        }
    }

    /// Whether the server ended a viewer's session that had better be asked for again.
    var invitesBack: Bool {
        switch self {
        case .roomClosed, .codecChanged, .publisherGone: true
        default: false
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
        case .negotiationFailed: "choose another codec or protocol in the client, as the reason says, or update it"
        case .limitReached: "raise the limit that is named or add a server"
        case .conflict: "end the other session, or change the setting that is named"
        case .unknownRoom: "add the room to paths, or correct the address in the client"
        case .unauthorized: "give the client the room's token, as bearer token or as its stream key"
        default: nil
        }
    }

    /// The same for clients over RTSP, where it is something else.
    var adviceOverRTSP: String? {
        switch self {
        case .unauthorized: "give the client the room's token, as the password of any user"
        case .negotiationFailed:
            "choose another transport or codec in the client, as the reason says, or see rtspTransports"
        case .noMedia:
            "check that the publisher's encoder runs; over UDP open rtpAddress and rtcpAddress in firewalls, set rtspAnyPort "
                + "for a NAT that changes ports, or publish over TCP"
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
