/// What one read of a byte stream brings at most, shared by all connections of a loop: a read is done with before the
/// next begins.
@safe
final class ReadBuffer {
    static let size = 64 << 10

    private let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: ReadBuffer.size, alignment: 64)

    deinit { unsafe bytes.deallocate() }

    func withBytes<R>(_ body: (UnsafeMutableRawBufferPointer) -> R) -> R { unsafe body(bytes) }
}
