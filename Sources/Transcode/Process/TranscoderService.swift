public import Conversion
import Glibc

/// The converter's process: answers one message after another until the other side closes.
///
/// Nothing is queued here: while the other side does not read, nothing is read from it either.
public struct TranscoderService {
    public enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// The descriptor is no socket of type SOCK_SEQPACKET.
        case noSocket(Int32)
        case socket(Int32)
        case message(ConversionError)

        public var description: String {
            switch self {
            case .noSocket(let descriptor):
                "descriptor \(descriptor) is no socket for messages; this program is started by martlet"
            case .socket(let code): "the connection to the server failed: \(unsafe String(cString: strerror(code)))"
            case .message(let error): error.description
            }
        }
    }

    private var socket: MessageSocket
    private let converter = OpusConverter()
    /// Seconds that one message may take, after which SIGALRM ends the process; 0 for no bound.
    private let deadline: UInt32

    public init(descriptor: Int32, deadline: UInt32) throws(Failure) {
        socket = MessageSocket(descriptor)
        self.deadline = deadline
        guard socket.isUsable else { throw .noSocket(descriptor) }
        socket.makeBlocking()
    }

    /// - Throws: what the other side must not send, and what the socket does not do.
    public mutating func run() throws(Failure) {
        while let replies = try nextReplies() {
            for reply in replies {
                let message: [UInt8]
                do throws(ConversionError) { message = try reply.encoded() } catch { continue }
                guard try socket.send(message) else { return }
            }
        }
    }

    private mutating func nextReplies() throws(Failure) -> [ConversionReply]? {
        let converter = converter
        let deadline = deadline
        return try socket.receive { (message) throws(Failure) in
            let request: ConversionRequest
            do throws(ConversionError) { request = try ConversionRequest(parsing: message) } catch {
                throw .message(error)
            }
            if deadline > 0 { alarm(deadline) }
            defer { if deadline > 0 { alarm(0) } }
            return converter.handle(request)
        }
    }

    /// What converts, for an operator.
    public static var libraries: String {
        "libavcodec \(SourceDecoder.libraryVersion), \(OpusEncoder.libraryVersion)"
    }
}
