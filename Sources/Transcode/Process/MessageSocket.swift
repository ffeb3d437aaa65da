import Conversion
import Glibc
import Wire

/// A blocking socket of type SOCK_SEQPACKET that somebody else owns: one message a datagram.
@safe
struct MessageSocket {
    let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: ConversionMessages.maximumSize)

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Whether the descriptor is a socket of the type.
    var isUsable: Bool {
        var type: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return unsafe getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0
            && type == Int32(SOCK_SEQPACKET.rawValue)
    }

    /// The other side may have made both ends alike.
    func makeBlocking() {
        let flags = fcntl(descriptor, F_GETFL)
        if flags >= 0 { _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) }
    }

    /// Waits for a message and lends it.
    ///
    /// - Returns: nil at the end.
    mutating func receive<R>(
        _ body: (RawSpan) throws(TranscoderService.Failure) -> R
    ) throws(TranscoderService.Failure) -> R? {
        var count = -1
        repeat {
            count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe recv(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_TRUNC))
            }
        } while count < 0 && errno == EINTR
        if count == 0 || count < 0 && errno == ECONNRESET { return nil }
        guard count > 0 else { throw .socket(errno) }
        guard count <= buffer.count else { throw .message(.tooLong) }
        let message = buffer
        return try message.withBytes { (bytes: RawSpan) throws(TranscoderService.Failure) in
            try body(bytes.extracting(0..<count))
        }
    }

    /// Waits until the other side has room.
    ///
    /// - Returns: false when the other side is gone.
    func send(_ message: [UInt8]) throws(TranscoderService.Failure) -> Bool {
        var count = -1
        repeat {
            count = unsafe message.withUnsafeBytes { bytes in
                unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
        } while count < 0 && errno == EINTR
        if count >= 0 { return true }
        if errno == EPIPE || errno == ECONNRESET { return false }
        throw .socket(errno)
    }
}
