import TestKit
import Testing
import Wire

@testable import Secure

/// A DTLS client, a DTLS server and a network between them, on virtual time.
final class DTLSNetwork {
    enum Direction { case toServer, toClient }

    /// One datagram on its way, as the network's fault sees it.
    struct Passing {
        let direction: Direction
        /// Counts the flights of this direction from 1; a flight is what one call left to be sent.
        let flight: Int
        let datagram: [UInt8]
    }

    static let latencyMilliseconds: UInt64 = 10

    let client: DTLSEndpoint
    let server: DTLSEndpoint
    private(set) var now = Instant.milliseconds(1000)
    private(set) var largestDatagram = 0
    private(set) var sent: [(at: Instant, direction: Direction)] = []
    /// Extra delays in milliseconds of the copies that arrive: empty for loss, two for a duplicate.
    var fault: (Passing) -> [UInt64] = { _ in [0] }

    private struct InFlight {
        let arrives: Instant
        let direction: Direction
        let datagram: [UInt8]
    }
    private var inFlight: [InFlight] = []
    private var flights: [Direction: Int] = [:]

    init(client: DTLSEndpoint, server: DTLSEndpoint) {
        self.client = client
        self.server = server
    }

    convenience init(
        clientIdentity: DTLSIdentity? = nil, serverIdentity: DTLSIdentity? = nil,
        clientProfiles: [SRTPProfile] = SRTPProfile.preferred, serverProfiles: [SRTPProfile] = SRTPProfile.preferred,
        mtu: Int = 1200
    ) throws {
        let clientIdentity = try clientIdentity ?? Identities.first
        let serverIdentity = try serverIdentity ?? Identities.second
        self.init(
            client: DTLSEndpoint(
                identity: clientIdentity, role: .client, remoteFingerprints: [try serverIdentity.fingerprint()],
                profiles: clientProfiles, mtu: mtu),
            server: DTLSEndpoint(
                identity: serverIdentity, role: .server, remoteFingerprints: [try clientIdentity.fingerprint()],
                profiles: serverProfiles, mtu: mtu))
    }

    var areBothConnected: Bool { client.state == .connected && server.state == .connected }
    var elapsedMilliseconds: Int64 { now.milliseconds(since: .milliseconds(1000)) }

    func start() {
        SystemClock.at(now) {
            server.start(at: now)
            client.start(at: now)
        }
        collect()
    }

    /// Runs until `condition` holds, nothing is pending, or `limit` has passed.
    func run(limitMilliseconds: UInt64 = 31_000, until condition: () -> Bool = { false }) {
        let limit = now.advanced(byMilliseconds: limitMilliseconds)
        while !condition(), let next = nextEvent, next <= limit {
            now = max(now, next)
            SystemClock.at(now) {
                if let index = inFlight.firstIndex(where: { $0.arrives <= now }) {
                    let passing = inFlight.remove(at: index)
                    deliver(passing.datagram, passing.direction)
                } else {
                    client.deadlineReached(at: now)
                    server.deadlineReached(at: now)
                }
            }
            collect()
        }
    }

    /// Hands a datagram over at once, as if the network had made it up.
    func inject(_ datagram: [UInt8], _ direction: Direction) {
        SystemClock.at(now) { deliver(datagram, direction) }
        collect()
    }

    /// Starts, connects and returns both ends' keys.
    func connect() throws -> (client: SRTPKeyMaterial, server: SRTPKeyMaterial) {
        start()
        run { self.areBothConnected }
        return (try #require(client.takeKeys()), try #require(server.takeKeys()))
    }

    func collect() {
        drain(client, .toServer)
        drain(server, .toClient)
    }

    private var nextEvent: Instant? {
        ([client.nextDeadline, server.nextDeadline] + inFlight.map { $0.arrives }).compactMap { $0 }.min()
    }

    private func deliver(_ datagram: [UInt8], _ direction: Direction) {
        let receiver = direction == .toServer ? server : client
        datagram.withBytes { receiver.received($0, at: now) }
    }

    private func drain(_ endpoint: DTLSEndpoint, _ direction: Direction) {
        var datagrams: [[UInt8]] = []
        SystemClock.at(now) { endpoint.drainDatagrams { datagrams.append($0.array) } }
        guard !datagrams.isEmpty else { return }
        let flight = flights[direction, default: 0] + 1
        flights[direction] = flight
        for datagram in datagrams {
            largestDatagram = max(largestDatagram, datagram.count)
            sent.append((now, direction))
            for delay in fault(Passing(direction: direction, flight: flight, datagram: datagram)) {
                let arrives = now.advanced(byMilliseconds: Self.latencyMilliseconds + delay)
                inFlight.append(InFlight(arrives: arrives, direction: direction, datagram: datagram))
            }
        }
        // Equal arrival times keep their order; the sort is stable enough for a handful of datagrams.
        inFlight = inFlight.enumerated().sorted {
            ($0.element.arrives, $0.offset) < ($1.element.arrives, $1.offset)
        }.map(\.element)
    }
}

/// Two identities that every test may use; making them is not what is tested.
enum Identities {
    private static let made = Result { () throws(SecureError) in
        (try DTLSIdentity.generate(), try DTLSIdentity.generate())
    }
    static var first: DTLSIdentity { get throws { try made.get().0 } }
    static var second: DTLSIdentity { get throws { try made.get().1 } }
}

extension DTLSIdentity {
    func fingerprint() throws -> CertificateFingerprint {
        try #require(CertificateFingerprint(algorithm: .sha256, bytes: fingerprintSHA256))
    }
}

extension SRTPKeyMaterial {
    /// Whether this is what the other end of the same association must hold.
    func mirrors(_ other: SRTPKeyMaterial) -> Bool {
        func bytes(_ secret: SecretBytes) -> [UInt8] { secret.withBytes { $0.array } }
        return profile == other.profile && bytes(localKey) == bytes(other.remoteKey)
            && bytes(localSalt) == bytes(other.remoteSalt) && bytes(remoteKey) == bytes(other.localKey)
            && bytes(remoteSalt) == bytes(other.localSalt) && bytes(localKey) != bytes(remoteKey)
    }
}
