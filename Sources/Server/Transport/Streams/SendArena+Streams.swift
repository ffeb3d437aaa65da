import Loop
import Synchronization
import Wire

// The doors to the connections of the arena's loop.

extension SendArena {
    /// Takes a connection over for `transport`, which lives on this loop, with what was read of it already. Any thread.
    nonisolated func take(_ socket: consuming AcceptedSocket, _ bytes: [UInt8], for transport: PeerTransport) {
        let parcel = SocketParcel(socket)
        eventLoop.execute {
            self.onLoop { arena in
                guard let socket = parcel.take() else { return }
                arena.streams.adopt(socket, bytes, for: transport)
            }
        }
    }

    /// Closes a connection whose tuple is its session's no longer, after what waits has been sent. Any thread.
    nonisolated func close(_ tuple: TransportTuple) {
        eventLoop.execute { self.onLoop { $0.streams.close(tuple, flushing: true) } }
    }

    var streamStatistics: StreamConnections.Statistics { streams.statistics }
}

/// A socket on its way to another loop.
final class SocketParcel: Sendable {
    private let socket: Mutex<AcceptedSocket?>

    init(_ socket: consuming AcceptedSocket) { self.socket = Mutex(socket) }

    func take() -> AcceptedSocket? { socket.withLock { $0.take() } }
}
