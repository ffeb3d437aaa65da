internal import CLinux
public import Wire

/// The datagrams of one read, in memory that is used again for the next: valid during the handler's call only.
///
/// Runs that the kernel joined (GRO) are shown as the datagrams that were sent. Bytes may be changed in place, as
/// decryption does.
@safe
public struct DatagramBatch: ~Copyable {
    @safe private struct Entry {
        var bytes: UnsafeMutableRawPointer
        var length: UInt32
        var message: UInt32
    }

    private let queue: OpaquePointer
    private let localAddress: SocketAddress
    let messageCapacity: CInt
    private var entries: [Entry] = []

    /// Most messages of one read, unless less is asked for. With GRO each may hold 64 datagrams.
    static let messageCapacity = 64
    /// The most that GRO joins, and more than a datagram can be.
    private static let messageSize = 1 << 16

    init(localAddress: SocketAddress, messageCapacity: Int = Self.messageCapacity) throws(LoopError) {
        self.messageCapacity = CInt(clamping: messageCapacity)
        guard let queue = unsafe clinux_receive_queue_create(self.messageCapacity, Self.messageSize) else {
            throw LoopError("make room for datagrams on \(localAddress)", code: LoopError.outOfMemory)
        }
        unsafe self.queue = queue
        self.localAddress = localAddress
        entries.reserveCapacity(16 * messageCapacity)
    }

    deinit { unsafe clinux_receive_queue_destroy(queue) }

    public var count: Int { entries.count }

    /// The two ends the datagram travelled between. The local one is the address it was sent to, even on a socket that
    /// is bound to all: replies leave from there.
    public func tuple(at index: Int) -> TransportTuple {
        let message = unsafe clinux_receive_queue_at(queue, CInt(entries[index].message)).pointee
        var local = unsafe SocketAddress(message.local)
        if local.isUnspecified { local = localAddress }
        local.port = localAddress.port
        return unsafe TransportTuple(local: local, remote: SocketAddress(message.remote))
    }

    public func byteCount(at index: Int) -> Int { Int(entries[index].length) }

    /// Lends a datagram's bytes. The span must not outlive `body`.
    public func withBytes<R>(at index: Int, _ body: (RawSpan) -> R) -> R {
        let entry = entries[index]
        return unsafe body(UnsafeRawBufferPointer(start: entry.bytes, count: Int(entry.length)).bytes)
    }

    /// Lends a datagram's bytes for changing in place. The span must not outlive `body`.
    public mutating func withMutableBytes<R>(at index: Int, _ body: (inout MutableRawSpan) -> R) -> R {
        let entry = entries[index]
        let buffer = unsafe UnsafeMutableRawBufferPointer(start: entry.bytes, count: Int(entry.length))
        var span = unsafe buffer.mutableBytes
        return body(&span)
    }

    /// Reads what has come, without waiting.
    ///
    /// - Returns: how many messages the kernel handed over, or a negative errno.
    mutating func fill(from descriptor: CInt) -> CInt {
        entries.removeAll(keepingCapacity: true)
        let count = unsafe clinux_receive_queue_fill(queue, descriptor)
        guard count > 0 else { return count }
        for index in 0..<count {
            let message = unsafe clinux_receive_queue_at(queue, index).pointee
            var offset: UInt32 = 0
            while unsafe offset < message.length {
                let length = unsafe min(message.segment, message.length - offset)
                unsafe entries.append(
                    Entry(bytes: message.bytes + Int(offset), length: length, message: UInt32(index)))
                offset += length
            }
        }
        return count
    }
}
