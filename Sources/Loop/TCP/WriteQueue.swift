internal import CLinux
internal import Wire

/// Bytes waiting for a TCP socket. Large arrays are kept as they are, shared with whoever else sends them; small writes
/// are gathered.
struct WriteQueue {
    private struct Chunk {
        var bytes: [UInt8]
        /// Whether the queue made the array, and may add to it.
        var isOwn: Bool
    }

    /// Below this, copying costs less than a system call of its own.
    private static let smallSize = 4 << 10
    /// What gathered writes grow to.
    private static let gatheredSize = 16 << 10

    private var chunks: [Chunk] = []
    /// The first chunk that is not sent, and how far it is.
    private var first = 0
    private var offset = 0
    private(set) var byteCount = 0

    var isEmpty: Bool { byteCount == 0 }

    mutating func append(_ bytes: [UInt8]) {
        guard bytes.count >= Self.smallSize else {
            bytes.withBytes { append(copying: $0) }
            return
        }
        byteCount += bytes.count
        chunks.append(Chunk(bytes: bytes, isOwn: false))
    }

    /// Queues `bytes` as they are, however few: they are shared with other connections.
    mutating func append(shared bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        byteCount += bytes.count
        chunks.append(Chunk(bytes: bytes, isOwn: false))
    }

    mutating func append(copying bytes: RawSpan) {
        guard bytes.byteCount > 0 else { return }
        byteCount += bytes.byteCount
        let last = chunks.count - 1
        if last >= first, chunks[last].isOwn, chunks[last].bytes.count + bytes.byteCount <= Self.gatheredSize {
            chunks[last].bytes.append(contentsOf: bytes)
        } else {
            chunks.append(Chunk(bytes: bytes.array, isOwn: true))
        }
    }

    mutating func removeAll() { self = WriteQueue() }

    /// Most pieces handed to the kernel at once.
    private static let piecesPerCall = 16

    /// Sends until everything is sent or the socket takes no more.
    ///
    /// - Parameter calls: goes up by the number of system calls.
    /// - Returns: bytes sent, and the errno that ended it, 0 when nothing is left.
    mutating func send(to descriptor: CInt, _ calls: inout UInt64) -> (sent: Int, error: CInt) {
        var total = 0
        while first < chunks.count {
            calls &+= 1
            let sent = chunks.count - first == 1 ? sendFirst(to: descriptor) : sendSeveral(to: descriptor)
            guard sent >= 0 else { return (total, CInt(-sent)) }
            total += sent
            byteCount -= sent
            advance(by: sent)
        }
        chunks.removeAll(keepingCapacity: chunks.count <= 16)
        first = 0
        return (total, 0)
    }

    private func sendFirst(to descriptor: CInt) -> Int {
        unsafe chunks[first].bytes.withUnsafeBytes { bytes in
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
            return unsafe clinux_send_stream(descriptor, rest.baseAddress, rest.count)
        }
    }

    private func sendSeveral(to descriptor: CInt) -> Int {
        let count = min(chunks.count - first, Self.piecesPerCall)
        return unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: count) { parts in
            unsafe collect(first, count, parts, descriptor)
        }
    }

    /// Nests one borrow in the next, so that every array stays where it is until all of them are sent.
    private func collect(
        _ index: Int, _ count: Int, _ parts: UnsafeMutableBufferPointer<iovec>, _ descriptor: CInt
    ) -> Int {
        let position = index - first
        guard position < count else {
            return unsafe clinux_send_stream_vector(descriptor, parts.baseAddress, CInt(count))
        }
        return unsafe chunks[index].bytes.withUnsafeBytes { bytes in
            let rest = unsafe position == 0 ? UnsafeRawBufferPointer(rebasing: bytes[offset...]) : bytes
            unsafe parts[position] = iovec(
                iov_base: UnsafeMutableRawPointer(mutating: rest.baseAddress), iov_len: rest.count)
            return unsafe collect(index + 1, count, parts, descriptor)
        }
    }

    private mutating func advance(by sent: Int) {
        offset += sent
        while first < chunks.count, offset >= chunks[first].bytes.count {
            offset -= chunks[first].bytes.count
            chunks[first].bytes = []
            first += 1
        }
    }
}
