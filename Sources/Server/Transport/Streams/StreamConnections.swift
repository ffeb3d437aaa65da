import ICE
import Loop
import Synchronization
import Wire

/// The ICE-TCP connections of the sessions of one loop: what datagrams are to UDP, frames are to them.
///
/// Loop-confined, and owned by the loop's ``SendArena``.
final class StreamConnections {
    struct Statistics: Sendable {
        var framesReceived: UInt64 = 0
        var framesSent: UInt64 = 0
        var bytesSent: UInt64 = 0
        /// Frames dropped whole because their client takes too little.
        var framesDropped: UInt64 = 0
        /// Connections closed because their client was silent.
        var idle: UInt64 = 0
    }

    private final class Stream {
        let connection: TCPConnection
        let transport: PeerTransport
        let tuple: TransportTuple
        var reader = StreamFrameReader()
        var isProven = false

        init(_ connection: TCPConnection, _ transport: PeerTransport, _ tuple: TransportTuple) {
            self.connection = connection
            self.transport = transport
            self.tuple = tuple
        }
    }

    private let eventLoop: EventLoop
    private let counters: StreamCounters
    private var streams: [TransportTuple: Stream] = [:]
    /// One frame at a time, on its way in and on its way out.
    private var incoming = PacketBatch(byteCapacity: StreamFrameReader.maximumFrameSize, packetCapacity: 1)
    private var outgoing = PacketBatch(byteCapacity: StreamFrameReader.maximumFrameSize, packetCapacity: 1)
    private var header = PacketBatch(byteCapacity: StreamFrameReader.headerSize, packetCapacity: 1)
    private var timer: (any LoopTimer)?
    private(set) var statistics = Statistics()

    init(on loop: EventLoop, counters: StreamCounters) {
        eventLoop = loop
        self.counters = counters
    }

    var count: Int { streams.count }

    // MARK: in

    /// Takes a connection over for `transport`, whose loop this is, with what was read of it already.
    func adopt(_ socket: consuming AcceptedSocket, _ bytes: [UInt8], for transport: PeerTransport) {
        var settings = TCPConnectionSettings()
        settings.maximumQueuedBytes = StreamLimits.maximumQueuedBytes
        settings.acknowledgementMilliseconds = StreamLimits.acknowledgementMilliseconds
        settings.lingerMilliseconds = 500
        let connection = TCPConnection(socket, on: eventLoop, settings: settings)
        let tuple = TransportTuple(
            local: connection.localAddress, remote: connection.remoteAddress, transport: .tcp)
        let stream = Stream(connection, transport, tuple)
        streams[tuple] = stream
        connection.start(
            onData: { self.received($0, on: tuple) }, onEndOfInput: { self.close(tuple, flushing: false) },
            onClosed: { _ in self.closed(stream) })
        bytes.withBytes { received($0, on: tuple) }
        armTimer()
    }

    private func received(_ bytes: RawSpan, on tuple: TransportTuple) {
        guard let stream = streams[tuple] else { return }
        let now = eventLoop.now
        let outcome = stream.reader.read(bytes) { frame in
            statistics.framesReceived &+= 1
            incoming.removeAll()
            guard incoming.append(copying: frame) else { return false }
            incoming.withMutablePacket(at: 0) { stream.transport.receive(&$0, on: tuple, at: now) }
            // The first frame has to prove that the client knows the session.
            if !stream.isProven { stream.isProven = stream.transport.isValidated(tuple) }
            return stream.isProven && streams[tuple] != nil
        }
        guard outcome != .more, streams[tuple] != nil else { return }
        counters.invalid.wrappingAdd(1, ordering: .relaxed)
        close(tuple, flushing: !stream.isProven)
    }

    // MARK: out

    /// Appends one frame along `tuple`, written by `write`; false when it was dropped.
    func append(along tuple: TransportTuple, maximumSize: Int, _ write: (inout OutputRawSpan) -> Void) -> Bool {
        guard let stream = streams[tuple] else { return false }
        outgoing.removeAll()
        header.removeAll()
        guard outgoing.append(maximumSize: maximumSize, write), outgoing.byteCount > 0 else { return false }
        let size = UInt16(truncatingIfNeeded: outgoing.byteCount)
        _ = header.append(maximumSize: StreamFrameReader.headerSize) { $0.append(bigEndian: size) }
        let isQueued = header.withPacket(at: 0) { header in
            outgoing.withPacket(at: 0) { stream.connection.write(header, $0) }
        }
        guard isQueued else {
            statistics.framesDropped &+= 1
            return false
        }
        statistics.framesSent &+= 1
        statistics.bytesSent &+= UInt64(outgoing.byteCount)
        return true
    }

    // MARK: end

    /// Closes a connection whose tuple is not the session's any more.
    ///
    /// - Parameter flushing: whether what waits is still sent.
    func close(_ tuple: TransportTuple, flushing: Bool) {
        guard let stream = streams.removeValue(forKey: tuple) else { return }
        stream.connection.close(afterFlush: flushing)
        stream.transport.streamClosed(tuple)
    }

    private func closed(_ stream: Stream) {
        counters.giveBack()
        guard streams[stream.tuple] === stream else { return }
        streams[stream.tuple] = nil
        stream.transport.streamClosed(stream.tuple)
    }

    private func armTimer() {
        if timer == nil {
            timer = eventLoop.makeTimer(name: "ICE-TCP silence") { [weak self] in self?.sweep() }
        }
        guard timer?.deadline == nil, !streams.isEmpty else { return }
        timer?.schedule(at: eventLoop.now.advanced(byMilliseconds: StreamLimits.sweepMilliseconds))
    }

    private func sweep() {
        let limit = StreamLimits.idleMilliseconds
        for (tuple, stream) in streams
        where stream.connection.statistics.lastReceived.advanced(byMilliseconds: limit) <= eventLoop.now {
            statistics.idle &+= 1
            close(tuple, flushing: false)
        }
        armTimer()
    }
}
