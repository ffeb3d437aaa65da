import Wire

/// Whose datagrams one loop receives for another: an actor that is entered on its own loop.
protocol DatagramReceiver: AnyObject, Sendable {
    /// Takes one datagram, which it may change in place. On the receiver's loop only.
    ///
    /// - Parameter isTrial: whether the datagram is nobody's so far, and counted as such: others are tried with it as well.
    nonisolated func receive(
        _ datagram: inout MutableRawSpan, on tuple: TransportTuple, at now: Instant, isTrial: Bool)
}

extension PeerTransport: DatagramReceiver {}
extension RTSPConnection: DatagramReceiver {}
