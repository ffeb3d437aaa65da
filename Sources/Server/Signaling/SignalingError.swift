import Streams
import WebRTC

/// Why a WHIP or WHEP request was refused, in words for the person who runs the client.
enum SignalingError: Error, Hashable, Sendable {
    /// The offer cannot be read or contradicts itself.
    case malformed(String)
    /// The offer is sound, but cannot be accepted here.
    case unacceptable(String)
    /// A viewer's offer has nothing of what the room has.
    case unmatched(String)
    case tooLarge(String)
    /// Another publisher has the room, or it changed meanwhile.
    case conflict(String, retryAfterSeconds: Int?)
    /// Nobody publishes in the room yet.
    case absent(String, retryAfterSeconds: Int?)
    case notFound(String)
    /// A limit of the server was reached.
    case full(String, retryAfterSeconds: Int)
    case failed(String)

    init(_ error: NegotiationError) {
        switch error {
        case .malformed(let detail): self = .malformed(detail)
        case .unacceptable(let detail): self = .unacceptable(detail)
        case .unmatched(let detail): self = .unmatched(detail)
        }
    }

    init(_ error: RoomError) {
        switch error {
        case .alreadyPublishing:
            self = .conflict(
                "somebody publishes to this room already, and it does not allow a take-over (overridePublisher)",
                retryAfterSeconds: nil)
        case .nobodyPublishes, .closed:
            self = .absent("nobody publishes to this room at the moment", retryAfterSeconds: 2)
        case .full(let limit):
            self = .full("the room has its \(limit) viewers (maxReaders)", retryAfterSeconds: 10)
        case .tooManyBackups(let limit):
            self = .full("as many backup publishers wait as may: \(limit) (maxBackupPublishers)", retryAfterSeconds: 10)
        }
    }

    init(_ error: RoomDirectory.DirectoryError) {
        switch error {
        case .tooManyRooms(let limit):
            self = .full("the server has its \(limit) rooms (maxRooms)", retryAfterSeconds: 10)
        case .stopping: self = .full("the server is stopping", retryAfterSeconds: 5)
        }
    }

    init(_ refusal: SessionLimits.Refusal) {
        let what =
            switch refusal {
            case .maxSessions: "the server has as many sessions as it takes"
            case .maxRooms: "the server has as many rooms as it takes"
            case .maxReaders: "the room has as many viewers as it takes"
            case .maxViewersPerIP: "this address has as many viewers as it may"
            }
        self = .full("\(what) (\(refusal.rawValue))", retryAfterSeconds: 10)
    }

    var detail: String {
        switch self {
        case .malformed(let detail), .unacceptable(let detail), .unmatched(let detail), .tooLarge(let detail),
            .conflict(let detail, _), .absent(let detail, _), .notFound(let detail), .full(let detail, _),
            .failed(let detail):
            detail
        }
    }

    /// What operators are told.
    var reason: EndReason {
        switch self {
        case .malformed, .unacceptable, .unmatched, .tooLarge: .negotiationFailed
        case .conflict: .conflict
        case .absent: .nobodyPublishes
        // A session that is gone, which the client alone is told.
        case .notFound: .gaveUp
        case .full: .limitReached
        case .failed: .internalError
        }
    }
}
