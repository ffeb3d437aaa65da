public import Wire

/// `a=candidate:` (RFC 8839, section 5.1).
public struct ICECandidate: Hashable, Sendable {
    public enum Transport: Hashable, Sendable {
        case udp, tcp
        case other(String)
    }

    public enum CandidateType: Hashable, Sendable {
        case host, serverReflexive, peerReflexive, relay
        case other(String)

        /// RFC 8445, section 5.1.2.2.
        var preference: UInt32 {
            switch self {
            case .host: 126
            case .peerReflexive: 110
            case .serverReflexive: 100
            case .relay, .other: 0
            }
        }
    }

    public var foundation: String
    /// 1 for RTP, and for everything when RTCP is multiplexed.
    public var component: UInt16
    public var transport: Transport
    public var priority: UInt32
    /// A literal address, or a name such as the `.local` names of browsers.
    public var address: String
    public var port: UInt16
    public var type: CandidateType
    public var relatedAddress: String?
    public var relatedPort: UInt16?
    /// `active`, `passive` or `so` (RFC 6544).
    public var tcpType: String?
    /// Further `name value` pairs (`generation 0 network-id 1`), as text.
    public var extensions: String?

    public init(
        foundation: String, component: UInt16 = 1, transport: Transport = .udp, priority: UInt32, address: String,
        port: UInt16, type: CandidateType = .host
    ) {
        self.foundation = foundation
        self.component = component
        self.transport = transport
        self.priority = priority
        self.address = address
        self.port = port
        self.type = type
    }

    /// RFC 8445, section 5.1.2.1.
    public static func priority(type: CandidateType, localPreference: UInt16, component: UInt16 = 1) -> UInt32 {
        type.preference << 24 | UInt32(localPreference) << 8 | (256 &- UInt32(component)) & 0xFF
    }

    /// Host candidates for a server's addresses, the best first: those of UDP, then those where it accepts TCP (RFC 6544).
    ///
    /// Addresses with the same IP and transport share a foundation, as RFC 8445 section 5.1.1.3 wants.
    public static func hostCandidates(
        for addresses: [SocketAddress], passiveTCP streams: [SocketAddress] = []
    ) -> [ICECandidate] {
        var foundations: [TransportTuple] = []
        func candidate(_ address: SocketAddress, _ transport: TransportProtocol, _ preference: Int) -> ICECandidate {
            let base = TransportTuple(local: address.withPort(0), remote: address.withPort(0), transport: transport)
            let foundation = foundations.firstIndex(of: base) ?? foundations.count
            if foundation == foundations.count { foundations.append(base) }
            return ICECandidate(
                foundation: String(foundation + 1), transport: transport == .udp ? .udp : .tcp,
                priority: priority(type: .host, localPreference: UInt16(max(0, preference))), address: address.host,
                port: address.port)
        }
        let datagrams = addresses.enumerated().map { index, address in candidate(address, .udp, 65_535 - index) }
        return datagrams
            + streams.enumerated().map { index, address in
                var passive = candidate(address, .tcp, Self.passivePreference - index)
                passive.tcpType = "passive"
                return passive
            }
    }

    /// The local preference of a passive TCP candidate: direction preference 4, and the most of the rest (RFC 6544,
    /// section 4.2).
    private static let passivePreference = 4 << 13 | 0x1FFF

    /// Address and port when the address is a literal; nil for names (nothing is ever resolved) and zoned addresses.
    public var socketAddress: SocketAddress? { SocketAddress(host: address, port: port) }

    /// Where a UDP agent of component 1 could send, or nil for candidates to be passed over without a word:
    /// other transports, names, zones, unspecified, multicast, and loopback unless allowed.
    public func usableAddress(allowingLoopback: Bool) -> SocketAddress? {
        guard transport == .udp, component == 1, port != 0, let found = socketAddress,
            !found.isUnspecified, !found.isMulticast, allowingLoopback || !found.isLoopback
        else { return nil }
        return found
    }
}
