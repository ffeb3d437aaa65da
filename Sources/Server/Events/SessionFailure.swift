public import WebRTC
public import Wire

/// A session that never carried media: what was tried, from where, how far it came, and what to do.
public struct SessionFailure: Sendable, Hashable {
    public enum Progress: Sendable, Hashable {
        /// The offer was not taken, so there was no session.
        case refused
        case reached(TransportProgress)

        /// The word in feeds and reports.
        public var word: String {
            switch self {
            case .refused: "refused"
            case .reached(let progress): progress.rawValue
            }
        }
    }

    public var role: PeerRole
    public var `protocol`: PeerProtocol
    /// Nil when the offer was refused.
    public var peer: PeerID?
    public var remote: SocketAddress?
    public var reason: EndReason
    /// Where the client was told to send media, such as `udp 192.0.2.5:8189`.
    public var candidates: [String]
    public var progress: Progress
    /// From the answer to the end.
    public var seconds: Int64
    /// What exactly happened.
    public var detail: String

    public init(
        role: PeerRole, protocol: PeerProtocol, peer: PeerID? = nil, remote: SocketAddress? = nil, reason: EndReason,
        candidates: [String] = [], progress: Progress = .reached(.answered), seconds: Int64 = 0, detail: String = ""
    ) {
        self.role = role
        self.protocol = `protocol`
        self.peer = peer
        self.remote = remote
        self.reason = reason
        self.candidates = candidates
        self.progress = progress
        self.seconds = seconds
        self.detail = detail
    }

    /// What an operator can do about it.
    public var advice: String? {
        if self.protocol == .rtsp, let advice = reason.adviceOverRTSP { return advice }
        guard case .reached(let progress) = progress else { return reason.advice }
        return reason.advice(after: progress)
    }

    /// How far it came, in words.
    public var reached: String {
        switch progress {
        case .refused: self.protocol == .rtsp ? "the request was refused" : "the offer was refused"
        case .reached(.connected) where self.protocol == .rtsp: "set up, no media in \(seconds) s"
        case .reached(.answered): "nothing arrived in \(seconds) s"
        case .reached(.checked): "connectivity checks arrived, no handshake in \(seconds) s"
        case .reached(.handshaking): "the DTLS handshake began and did not finish in \(seconds) s"
        case .reached(.connected): "connected, no media in \(seconds) s"
        case .reached(.media): "media went through in \(seconds) s"
        }
    }

    /// All of it in one line.
    public var account: String {
        var parts = [remote.map { "asked from \($0.host)" } ?? "asked"]
        if progress != .refused {
            parts[0] += ", was offered " + (candidates.isEmpty ? "no address" : candidates.joined(separator: ", "))
        }
        parts.append(reached)
        parts.append(detail)
        return parts.joined(separator: "; ")
    }
}
