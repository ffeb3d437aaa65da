import Wire

/// Where one track of a publisher is to come from, and where it does. Confined to the loop that receives.
final class RTSPPortLatch {
    let peer: PeerID
    let payloadType: UInt8
    /// As the client announced it.
    let announced: RTSPTuples
    /// The ports in use and when something came from there last; nil before the first packet.
    fileprivate(set) var media: Source?
    fileprivate(set) var control: Source?
    /// Of the packets that came.
    fileprivate var ssrc: UInt32?

    struct Source: Hashable, Sendable {
        var remote: SocketAddress
        var heard: Instant
    }

    init(peer: PeerID, payloadType: UInt8, announced: RTSPTuples) {
        self.peer = peer
        self.payloadType = payloadType
        self.announced = announced
    }

    /// Something came from the port in use.
    func heard(onPort port: UInt16, at now: Instant) {
        if port == announced.rtp.local.port { media?.heard = now } else { control?.heard = now }
    }
}

/// Finds the publisher of datagrams that come from other ports than were announced, because a NAT gave its client others: of
/// paths with `rtspAnyPort` (RTSP-31).
///
/// Only the address that the session was made from is believed. A track is taken from the first port that its packets come
/// from, and from another one only once that has fallen silent. What could be of two sessions is of neither.
struct RTSPPortLatches {
    /// A port from which nothing came for so long has fallen silent.
    static let silenceMilliseconds: Int64 = 2_000

    /// What became of a datagram from an unknown port.
    enum Outcome {
        /// Nobody at this address may use other ports.
        case unknown
        /// It is nobody's for sure, or its track still comes from another port.
        case refused
        /// From now on the track comes from here, and no longer from `former`.
        case latched(RTSPPortLatch, former: SocketAddress?)
    }

    /// By the client's address without a port.
    private var latches: [SocketAddress: [RTSPPortLatch]] = [:]

    mutating func add(_ latch: RTSPPortLatch) {
        latches[latch.announced.rtp.remote.withPort(0), default: []].append(latch)
    }

    mutating func remove(_ peer: PeerID) {
        for (host, list) in latches where list.contains(where: { $0.peer == peer }) {
            let rest = list.filter { $0.peer != peer }
            latches[host] = rest.isEmpty ? nil : rest
        }
    }

    var count: Int { latches.values.reduce(0) { $0 + $1.count } }

    /// Looks at a datagram whose source is nobody's.
    func find(_ datagram: RawSpan, on tuple: TransportTuple, at now: Instant) -> Outcome {
        guard let here = latches[tuple.remote.withPort(0)] else { return .unknown }
        if let first = here.first, tuple.local.port == first.announced.rtcp.local.port {
            return findControl(datagram, here, tuple.remote, at: now)
        }
        guard datagram.byteCount >= 12, datagram[0] >> 6 == 2, let ssrc = datagram.integer(at: 8, as: UInt32.self)
        else { return .refused }
        // Encoders are known whose streams all have the same SSRC, so it alone tells nothing.
        let payloadType = datagram[1] & 0x7F
        let free = here.filter {
            $0.payloadType == payloadType && ($0.media.map { Self.isSilent($0, at: now) } ?? true)
        }
        let named = free.filter { $0.announced.rtp.remote.port == tuple.remote.port }
        let owners = here.filter { $0.payloadType == payloadType && $0.ssrc == ssrc }
        let latch: RTSPPortLatch
        if named.count == 1 {
            latch = named[0]
        } else if let owner = owners.first {
            // Its stream has moved, or somebody repeats its packets.
            guard owners.count == 1, free.contains(where: { $0 === owner }) else { return .refused }
            latch = owner
        } else {
            guard free.count == 1 else { return .refused }
            latch = free[0]
        }
        let former = latch.media?.remote
        latch.ssrc = ssrc
        latch.media = RTSPPortLatch.Source(remote: tuple.remote, heard: now)
        return .latched(latch, former: former)
    }

    /// Reports are whose media they speak of, so they are known once that has come.
    private func findControl(
        _ datagram: RawSpan, _ here: [RTSPPortLatch], _ remote: SocketAddress, at now: Instant
    ) -> Outcome {
        guard datagram.byteCount >= 8, datagram[0] >> 6 == 2, let ssrc = datagram.integer(at: 4, as: UInt32.self)
        else { return .refused }
        let free = here.filter { $0.ssrc == ssrc && ($0.control.map { Self.isSilent($0, at: now) } ?? true) }
        let named = free.filter { $0.announced.rtcp.remote.port == remote.port }
        guard let latch = named.first ?? free.first, named.count == 1 || free.count == 1 else { return .refused }
        let former = latch.control?.remote
        latch.control = RTSPPortLatch.Source(remote: remote, heard: now)
        return .latched(latch, former: former)
    }

    private static func isSilent(_ source: RTSPPortLatch.Source, at now: Instant) -> Bool {
        now.milliseconds(since: source.heard) >= silenceMilliseconds
    }
}
