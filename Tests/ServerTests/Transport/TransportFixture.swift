import Loop
import Secure
import WebRTC
import Wire

@testable import ICE
@testable import Server

/// A loop with a demultiplexer and sessions that have no sockets: what they send goes nowhere.
struct TransportFixture {
    let loop: EventLoop
    let demultiplexer: Demultiplexer
    let handshakes: HandshakeQueue
    private let arena: SendArena
    private let identity: DTLSIdentity

    init() throws {
        loop = try EventLoop(name: "transport test")
        try loop.start()
        demultiplexer = Demultiplexer(on: loop, limiterSeed: 1)
        handshakes = HandshakeQueue(on: loop)
        arena = SendArena(on: loop)
        identity = try DTLSIdentity.generate()
    }

    /// A session that checks can reach.
    func session(_ number: UInt64) async throws -> TestSession {
        let local = ICECredentials(ufrag: "session\(number)", password: "passwordOfTheServerItself+/\(number)")
        let remote = ICECredentials(ufrag: "peer\(number)", password: "passwordOfThePeer+/\(number)")
        guard let ufrag = UfragKey(local.ufrag) else { throw TransportFixtureError.unusable }
        let configuration = TransportConfiguration(
            localCredentials: local, remoteCredentials: remote, remoteFingerprints: [], role: .server,
            identity: identity, checkSecret: Array(1...32))
        let transport = PeerTransport(
            peerID: PeerID(number), localUfrag: ufrag, configuration: configuration, loop: loop, arena: arena,
            demultiplexer: demultiplexer, handshakes: handshakes, startedAt: MonotonicClock.now)
        await demultiplexer.register(transport)
        return TestSession(transport: transport, local: local, remote: remote)
    }
}

enum TransportFixtureError: Error { case unusable }

struct TestSession {
    let transport: PeerTransport
    let local: ICECredentials
    let remote: ICECredentials

    func check(_ transaction: UInt64, password: String? = nil) -> [UInt8] {
        let authentication = ICEAuthentication(
            hmacSHA1: { key, message, code in key.withBytes { Digest.hmacSHA1(key: $0, message, into: &code) } },
            hmacSHA256: { key, message, code in key.withBytes { Digest.hmacSHA256(key: $0, message, into: &code) } })
        var output: [UInt8] = []
        let writer = STUNWriter(
            .request, transactionID: STUNTransactionID(high: 7, low: transaction), into: &output)
        writer.append(.username, Array("\(local.ufrag):\(remote.ufrag)".utf8), into: &output)
        writer.appendIntegrity(key: Array((password ?? local.password).utf8), authentication, into: &output)
        writer.appendFingerprint(into: &output)
        return output
    }
}

extension TransportTuple {
    static func port(_ port: UInt16) -> TransportTuple {
        TransportTuple(
            local: SocketAddress(ipv4: 0xC000_0201, port: 8189), remote: SocketAddress(ipv4: 0xC633_6407, port: port))
    }
}

extension PeerTransport {
    /// What the demultiplexer does with datagrams of this session, all in one turn.
    func take(_ datagrams: [[UInt8]], on tuple: TransportTuple, secondsAgo: Int64 = 0) {
        let now = Instant(nanoseconds: eventLoop.now.nanoseconds &- UInt64(secondsAgo) &* 1_000_000_000)
        for datagram in datagrams {
            var batch = PacketBatch(byteCapacity: datagram.count, packetCapacity: 1)
            _ = datagram.withBytes { batch.append(copying: $0) }
            batch.withMutablePacket(at: 0) { receive(&$0, on: tuple, at: now) }
        }
    }
}

extension Demultiplexer {
    /// Whom a datagram is given to.
    func destination(of datagram: [UInt8], on tuple: TransportTuple) -> PeerID? {
        datagram.withBytes { destination(of: $0, on: tuple, at: eventLoop.now)?.peerID }
    }
}
