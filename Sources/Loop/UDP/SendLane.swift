internal import CLinux
internal import Glibc
internal import Wire

/// The outgoing datagrams of one loop for one socket: their bytes back to back, and the messages that cover them.
@safe
final class SendLane {
    private struct Message {
        var remote: SocketAddress
        var local: SocketAddress
        var start: Int
        var length: Int
        /// The size of each datagram but the last.
        var segment: Int
        var count: Int

        /// Takes one more datagram in; `false` when the kernel could not cut it off again.
        mutating func extend(by size: Int, to remote: SocketAddress, from local: SocketAddress) -> Bool {
            guard count < SendLane.segmentsPerMessage, size <= segment, length == segment * count,
                length + size <= SendLane.bytesPerMessage, self.remote == remote, self.local == local
            else { return false }
            length += size
            count += 1
            return true
        }
    }

    /// What the kernel cuts from one message at most.
    private static let segmentsPerMessage = 64
    /// Below what fits the length field of an IP packet, with room for the headers.
    private static let bytesPerMessage = 65_000
    private static let messageCapacity = 128
    /// The largest datagram.
    private static let datagramSize = 65_507
    /// After so many refusals in a row it is not one path's MTU, and asking costs more than it gains.
    private static let refusalLimit = 16

    let socket: UDPSocket
    private let arena: UnsafeMutableRawBufferPointer
    private let queue: OpaquePointer
    private var used = 0
    private var messages: [Message] = []
    private var refusalsInARow = 0
    private(set) var statistics = DatagramSender.Statistics()

    init(_ socket: UDPSocket, byteCapacity: Int) throws(LoopError) {
        guard let queue = unsafe clinux_send_queue_create(CInt(Self.messageCapacity)) else {
            throw LoopError("make room for datagrams from \(socket.localAddress)", code: LoopError.outOfMemory)
        }
        self.socket = socket
        unsafe self.queue = queue
        unsafe arena = .allocate(byteCount: max(byteCapacity, Self.datagramSize), alignment: 64)
        messages.reserveCapacity(Self.messageCapacity)
    }

    deinit {
        unsafe clinux_send_queue_destroy(queue)
        unsafe arena.deallocate()
    }

    func append(
        to remote: SocketAddress, from local: SocketAddress, maximumSize: Int, _ write: (inout OutputRawSpan) -> Void
    ) -> Bool {
        guard maximumSize > 0, maximumSize <= Self.datagramSize else { return false }
        if unsafe used + maximumSize > arena.count || messages.count == Self.messageCapacity { flush() }
        let slice = unsafe UnsafeMutableRawBufferPointer(rebasing: arena[used..<used + maximumSize])
        var output = unsafe OutputRawSpan(buffer: slice, initializedCount: 0)
        write(&output)
        let size = unsafe output.finalize(for: slice)
        guard size > 0 else { return false }
        let start = used
        used += size
        guard extendLast(by: size, to: remote, from: local) else {
            messages.append(
                Message(remote: remote, local: local, start: start, length: size, segment: size, count: 1))
            return true
        }
        return true
    }

    /// Joins a datagram to the last message if the kernel can cut it off again.
    private func extendLast(by size: Int, to remote: SocketAddress, from local: SocketAddress) -> Bool {
        guard !messages.isEmpty, socket.isSegmenting else { return false }
        return messages[messages.count - 1].extend(by: size, to: remote, from: local)
    }

    /// Sends everything that was collected. What the kernel does not take is dropped and counted, never kept.
    func flush() {
        guard !messages.isEmpty else { return }
        for index in messages.indices { prepare(index) }
        var first = 0
        while first < messages.count {
            let sent = unsafe clinux_send_queue_send(
                queue, socket.descriptor.number, CInt(first), CInt(messages.count - first))
            statistics.systemCalls &+= 1
            if sent > 0 {
                for index in first..<first + Int(sent) { countSent(messages[index]) }
                first += Int(sent)
            } else {
                first = failed(first, code: -sent)
            }
        }
        messages.removeAll(keepingCapacity: true)
        used = 0
    }

    private func prepare(_ index: Int) {
        let message = messages[index]
        var remote = message.remote.system
        let bytes = unsafe arena.baseAddress.map { unsafe $0 + message.start }
        let segment = message.count > 1 ? UInt16(message.segment) : 0
        if socket.localAddress.isUnspecified, !message.local.isUnspecified {
            var local = message.local.system
            unsafe clinux_send_queue_set(queue, CInt(index), &remote, &local, bytes, message.length, segment)
        } else {
            unsafe clinux_send_queue_set(queue, CInt(index), &remote, nil, bytes, message.length, segment)
        }
    }

    private func countSent(_ message: Message) {
        statistics.datagrams &+= UInt64(message.count)
        statistics.bytes &+= UInt64(message.length)
        if message.count > 1 {
            statistics.segmentedMessages &+= 1
            refusalsInARow = 0
        }
    }

    /// Deals with the refusal of message `index`.
    ///
    /// - Returns: the message to go on with.
    private func failed(_ index: Int, code: CInt) -> Int {
        let message = messages[index]
        switch code {
        case EINTR:
            return index
        case EAGAIN:
            // The socket's buffer is full; what follows would fare no better.
            drop(messages[index...].reduce(0) { $0 + $1.count }, code: code)
            return messages.count
        case EIO, EOPNOTSUPP, ENOPROTOOPT, EINVAL, EMSGSIZE:
            guard message.count > 1 else { break }
            // When the parts pass, it was the cutting that was refused.
            guard sendOneByOne(message) else { return index + 1 }
            statistics.refusedSegmentations &+= 1
            refusalsInARow += 1
            // EINVAL and EMSGSIZE may be one path's MTU; the others are the network card's word.
            let isFinal = code != EINVAL && code != EMSGSIZE
            if isFinal || refusalsInARow >= Self.refusalLimit { socket.stopSegmenting() }
            return index + 1
        default:
            break
        }
        drop(message.count, code: code)
        return index + 1
    }

    /// - Returns: whether the kernel took any of them.
    private func sendOneByOne(_ message: Message) -> Bool {
        var hasSent = false
        var remote = message.remote.system
        var local = message.local.system
        let namesLocal = socket.localAddress.isUnspecified && !message.local.isUnspecified
        for index in 0..<message.count {
            let start = message.start + index * message.segment
            let size = min(message.segment, message.start + message.length - start)
            let bytes = unsafe arena.baseAddress.map { unsafe $0 + start }
            let number = socket.descriptor.number
            let status =
                namesLocal
                ? unsafe clinux_send_datagram(number, &remote, &local, bytes, size)
                : unsafe clinux_send_datagram(number, &remote, nil, bytes, size)
            statistics.systemCalls &+= 1
            if status == 0 {
                hasSent = true
                statistics.datagrams &+= 1
                statistics.bytes &+= UInt64(size)
            } else {
                drop(1, code: -status)
            }
        }
        return hasSent
    }

    private func drop(_ count: Int, code: CInt) {
        if code == EAGAIN || code == ENOBUFS {
            statistics.droppedQueueFull &+= UInt64(count)
        } else {
            statistics.droppedUnsendable &+= UInt64(count)
        }
        statistics.latestError = code
    }
}
