internal import CLinux
internal import Glibc
internal import Wire

/// The outgoing datagrams of one loop for one socket: their bytes back to back, and the messages that cover them.
@safe
final class SendLane {
    /// Datagrams that lie side by side and leave as one message.
    private struct Part {
        var start: Int
        var length: Int
        /// The size of each datagram but the last.
        var segment: Int
        var count: Int

        init(start: Int, size: Int) {
            self.start = start
            length = size
            segment = size
            count = 1
        }

        /// Takes the datagram that lies behind it in; `false` when the kernel could not cut it off again.
        mutating func extend(by size: Int, at start: Int) -> Bool {
            guard count < SendLane.segmentsPerMessage, size <= segment, length == segment * count,
                length + size <= SendLane.bytesPerMessage, self.start + length == start
            else { return false }
            length += size
            count += 1
            return true
        }
    }

    private struct Message {
        var remote: SocketAddress
        var local: SocketAddress
        var part: Part
    }

    /// A run of datagrams that lies in the arena once, whomever it is sent to.
    private struct SharedRun {
        var number: UInt64
        /// The first of the run's packets that is in it.
        var first: Int
        /// In ``sharedParts``.
        var parts: Range<Int>
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
    private var shared: SharedRun?
    private var sharedParts: [Part] = []
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
        guard extendLast(by: size, at: start, to: remote, from: local) else {
            messages.append(Message(remote: remote, local: local, part: Part(start: start, size: size)))
            return true
        }
        return true
    }

    /// Joins a datagram to the last message if the kernel can cut it off again.
    private func extendLast(
        by size: Int, at start: Int, to remote: SocketAddress, from local: SocketAddress
    ) -> Bool {
        let last = messages.count - 1
        guard last >= 0, socket.isSegmenting, messages[last].remote == remote, messages[last].local == local else {
            return false
        }
        return messages[last].part.extend(by: size, at: start)
    }

    /// Sends the packets of a run from `first` on. They are copied into the arena for the first address, and lie there for
    /// the others as long as `number` is the same.
    func append(
        _ run: borrowing PacketBatch, number: UInt64, from first: Int, to remote: SocketAddress,
        from local: SocketAddress
    ) {
        guard let parts = sharedParts(of: run, number: number, from: first) else {
            for index in first..<run.count {
                run.withPacket(at: index) { packet in
                    let isTaken = append(to: remote, from: local, maximumSize: packet.byteCount) {
                        $0.append(contentsOf: packet)
                    }
                    if !isTaken { statistics.droppedUnsendable &+= 1 }
                }
            }
            return
        }
        for index in parts {
            if messages.count == Self.messageCapacity { sendMessages() }
            messages.append(Message(remote: remote, local: local, part: sharedParts[index]))
        }
    }

    /// Where a run lies in the arena, which it is copied into if need be; nil when it is too large for that.
    private func sharedParts(of run: borrowing PacketBatch, number: UInt64, from first: Int) -> Range<Int>? {
        if let shared, shared.number == number, shared.first == first { return shared.parts }
        guard unsafe run.byteCount <= arena.count else { return nil }
        if unsafe used + run.byteCount > arena.count { flush() }
        let begin = sharedParts.count
        for index in first..<run.count {
            run.withPacket(at: index) { copy($0, behind: begin) }
        }
        let parts = begin..<sharedParts.count
        shared = SharedRun(number: number, first: first, parts: parts)
        return parts
    }

    private func copy(_ packet: RawSpan, behind begin: Int) {
        let size = packet.byteCount
        guard size > 0, size <= Self.datagramSize else {
            statistics.droppedUnsendable &+= 1
            return
        }
        let start = used
        unsafe packet.withUnsafeBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(rebasing: arena[start..<start + size]).copyMemory(from: bytes)
        }
        used += size
        if sharedParts.count > begin, socket.isSegmenting,
            sharedParts[sharedParts.count - 1].extend(by: size, at: start)
        {
            return
        }
        sharedParts.append(Part(start: start, size: size))
    }

    /// Sends everything that was collected. What the kernel does not take is dropped and counted, never kept.
    func flush() {
        sendMessages()
        used = 0
        shared = nil
        sharedParts.removeAll(keepingCapacity: true)
    }

    /// Sends what was collected, and leaves the arena as it is.
    private func sendMessages() {
        guard !messages.isEmpty else { return }
        for index in messages.indices { prepare(index) }
        var first = 0
        while first < messages.count {
            let sent = unsafe clinux_send_queue_send(
                queue, socket.descriptor.number, CInt(first), CInt(messages.count - first))
            statistics.systemCalls &+= 1
            if sent > 0 {
                for index in first..<first + Int(sent) { countSent(messages[index].part) }
                first += Int(sent)
            } else {
                first = failed(first, code: -sent)
            }
        }
        messages.removeAll(keepingCapacity: true)
    }

    private func prepare(_ index: Int) {
        let message = messages[index]
        var remote = message.remote.system
        let part = message.part
        let bytes = unsafe arena.baseAddress.map { unsafe $0 + part.start }
        let segment = part.count > 1 ? UInt16(part.segment) : 0
        if socket.localAddress.isUnspecified, !message.local.isUnspecified {
            var local = message.local.system
            unsafe clinux_send_queue_set(queue, CInt(index), &remote, &local, bytes, part.length, segment)
        } else {
            unsafe clinux_send_queue_set(queue, CInt(index), &remote, nil, bytes, part.length, segment)
        }
    }

    private func countSent(_ part: Part) {
        statistics.datagrams &+= UInt64(part.count)
        statistics.bytes &+= UInt64(part.length)
        if part.count > 1 {
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
            drop(messages[index...].reduce(0) { $0 + $1.part.count }, code: code)
            return messages.count
        case EIO, EOPNOTSUPP, ENOPROTOOPT, EINVAL, EMSGSIZE:
            guard message.part.count > 1 else { break }
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
        drop(message.part.count, code: code)
        return index + 1
    }

    /// - Returns: whether the kernel took any of them.
    private func sendOneByOne(_ message: Message) -> Bool {
        var hasSent = false
        var remote = message.remote.system
        var local = message.local.system
        let namesLocal = socket.localAddress.isUnspecified && !message.local.isUnspecified
        let part = message.part
        for index in 0..<part.count {
            let start = part.start + index * part.segment
            let size = min(part.segment, part.start + part.length - start)
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
