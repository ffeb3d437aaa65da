import RTSP
import Streams
import Synchronization
import Wire

/// Lends the groups of `multicastIPRange` (RTSP-6): one for each track of a room and each network it is read from, the
/// same for all of its readers, free again when the last of them has gone.
final class RTSPMulticastGroups: Sendable {
    /// What a group is for.
    struct Key: Hashable, Sendable {
        /// Of the room, so that one made anew under the same name does not send to the old one's readers.
        var room: UInt32
        var kind: MediaKind
        /// The server's address in the readers' network.
        var interface: SocketAddress
    }

    private struct Group {
        var offset: UInt32
        var leases: Int
    }

    private struct State {
        var groups: [Key: Group] = [:]
        var taken: Set<UInt32> = []
        var next: UInt32 = 1
    }

    /// Enough for a site, and no further.
    static let timeToLive: UInt8 = 16

    let ports: RTSPPortPair
    private let base: UInt32
    private let size: UInt32
    private let state = Mutex(State())

    /// - Parameter range: of IPv4 groups, at least four of them.
    init(_ range: AddressRange, ports: RTSPPortPair) {
        let width = UInt32(32 - range.prefixLength)
        size = 1 << width
        base = range.base.ipv4 & ~(size &- 1)
        self.ports = ports
    }

    /// The group for `key`, held until the lease is gone; nil when all are lent.
    func lease(_ key: Key) -> RTSPMulticastLease? {
        let offset: UInt32? = state.withLock { state in
            if let group = state.groups[key] {
                state.groups[key]?.leases += 1
                return group.offset
            }
            guard let offset = free(&state) else { return nil }
            state.taken.insert(offset)
            state.groups[key] = Group(offset: offset, leases: 1)
            return offset
        }
        return offset.map {
            RTSPMulticastLease(self, key, SocketAddress(ipv4: base &+ $0, port: ports.rtp), rtcpPort: ports.rtcp)
        }
    }

    /// The longest unused first: routers and clients remember groups for a while. The first address of the range stands
    /// for all of them in descriptions.
    private func free(_ state: inout State) -> UInt32? {
        guard state.taken.count < Int(size) - 1 else { return nil }
        while true {
            let offset = state.next
            state.next = offset &+ 1 >= size ? 1 : offset &+ 1
            if !state.taken.contains(offset) { return offset }
        }
    }

    fileprivate func giveBack(_ key: Key) {
        state.withLock { state in
            guard let group = state.groups[key] else { return }
            if group.leases > 1 {
                state.groups[key]?.leases -= 1
            } else {
                state.groups[key] = nil
                state.taken.remove(group.offset)
            }
        }
    }

    /// Groups lent now.
    var count: Int { state.withLock { $0.groups.count } }

    /// What a description says when a client wants to be sent to a group; which one, its SETUP learns.
    var placeholder: String { SocketAddress(ipv4: base, port: 0).host }
}

/// A reader's hold on a group.
final class RTSPMulticastLease: Sendable {
    let rtp: SocketAddress
    let rtcp: SocketAddress
    let key: RTSPMulticastGroups.Key
    private let groups: RTSPMulticastGroups

    fileprivate init(
        _ groups: RTSPMulticastGroups, _ key: RTSPMulticastGroups.Key, _ rtp: SocketAddress, rtcpPort: UInt16
    ) {
        self.groups = groups
        self.key = key
        self.rtp = rtp
        rtcp = rtp.withPort(rtcpPort)
    }

    deinit { groups.giveBack(key) }

    /// As the answer to SETUP tells it.
    var group: RTSPMulticastGroup {
        RTSPMulticastGroup(
            address: rtp.host, ports: RTSPPortPair(rtp: rtp.port, rtcp: rtcp.port),
            timeToLive: RTSPMulticastGroups.timeToLive)
    }
}
