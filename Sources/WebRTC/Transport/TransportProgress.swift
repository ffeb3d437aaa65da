/// How far a session came. Raw values are stable: they appear in feeds and logs.
public enum TransportProgress: String, Hashable, Sendable, CaseIterable, Comparable {
    /// The offer was answered, and nothing arrived since.
    case answered
    /// Connectivity checks arrived.
    case checked
    /// The DTLS handshake began.
    case handshaking
    /// Keys are in place.
    case connected
    /// Media went through.
    case media

    public static func < (left: TransportProgress, right: TransportProgress) -> Bool { left.order < right.order }

    private var order: Int {
        switch self {
        case .answered: 0
        case .checked: 1
        case .handshaking: 2
        case .connected: 3
        case .media: 4
        }
    }
}
