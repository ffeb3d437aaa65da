import Streams
import WebRTC

/// Why a WHIP or WHEP request was refused, in words for the person who runs the client.
enum SignalingError: Error, Hashable, Sendable {
    /// The offer cannot be read or contradicts itself.
    case malformed(String)
    /// The offer is sound, but cannot be accepted here.
    case unacceptable(String)
    case tooLarge(String)
    /// Another publisher has the room, or nobody publishes in it yet.
    case conflict(String, retryAfterSeconds: Int?)
    case notFound(String)
    /// A limit of the server was reached.
    case full(String, retryAfterSeconds: Int)
    case failed(String)

    init(_ error: NegotiationError) {
        switch error {
        case .malformed(let detail): self = .malformed(detail)
        case .unacceptable(let detail): self = .unacceptable(detail)
        }
    }

    init(_ error: RoomError) {
        switch error {
        case .alreadyPublishing:
            self = .conflict(
                "somebody publishes to this room already, and it does not allow a take-over (overridePublisher)",
                retryAfterSeconds: nil)
        case .nobodyPublishes, .closed:
            self = .conflict("nobody publishes to this room at the moment", retryAfterSeconds: 2)
        case .full(let limit):
            self = .full("the room has its \(limit) viewers (maxReaders)", retryAfterSeconds: 10)
        }
    }

    init(_ error: RoomDirectory.DirectoryError) {
        switch error {
        case .tooManyRooms(let limit):
            self = .full("the server has its \(limit) rooms (maxRooms)", retryAfterSeconds: 10)
        case .stopping: self = .full("the server is stopping", retryAfterSeconds: 5)
        }
    }

    init(_ problem: AdmissionProblem) {
        switch problem {
        case .sessions(let limit):
            self = .full("the server has its \(limit) sessions (maxSessions)", retryAfterSeconds: 10)
        case .viewersPerAddress(let limit):
            self = .full("this address has its \(limit) viewers (maxViewersPerIP)", retryAfterSeconds: 10)
        }
    }
}

/// Which limit keeps a new session out.
enum AdmissionProblem: Error, Hashable, Sendable {
    case sessions(limit: Int)
    case viewersPerAddress(limit: Int)
}
