import Wire

/// Whose datagrams one loop receives for another: an actor that is entered on its own loop.
protocol DatagramReceiver: AnyObject, Sendable {
    /// Takes one datagram, which it may change in place. On the receiver's loop only.
    nonisolated func receive(_ datagram: inout MutableRawSpan, on tuple: TransportTuple, at now: Instant)
}

extension PeerTransport: DatagramReceiver {}
extension RTSPConnection: DatagramReceiver {}
