import RTSP

/// Which transport a source's next attempt uses (RTSP-40): UDP first, TCP when nothing came that way; what worked is
/// kept.
struct RTSPTransportChoice: Sendable {
    private let isAutomatic: Bool
    private(set) var current: RTSPDelivery

    /// - Parameter isSecure: datagrams would travel in the clear beside a connection over TLS.
    init(_ setting: RTSPPullTransport, isSecure: Bool) {
        isAutomatic = setting == .automatic && !isSecure
        current =
            switch setting {
            case _ where isSecure: .tcp
            case .automatic, .udp: .udp
            case .multicast: .multicast
            case .tcp: .tcp
            }
    }

    /// Whether silence at the beginning may be the transport's fault, so that it is not waited out.
    var isTrying: Bool { isAutomatic && current == .udp }

    /// An attempt ended.
    ///
    /// - Returns: whether another transport is to be tried at once.
    mutating func ended(with failure: RTSPClientMachine.Failure?, hasPlayed: Bool) -> Bool {
        guard isAutomatic, !hasPlayed, let failure, failure.isOfTransport else { return false }
        let wasUDP = current == .udp
        current = wasUDP ? .tcp : .udp
        return wasUDP
    }
}
