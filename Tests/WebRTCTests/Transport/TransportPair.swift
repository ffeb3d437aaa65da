import ICE
import Secure
import TestKit
import Testing
import Wire

@testable import WebRTC

/// An engine and a client in memory, with a seeded network between them, on virtual time.
final class TransportPair {
    struct Setup {
        var role = DTLSRole.server
        var clientProfiles = SRTPProfile.preferred
        var conditions = NetworkConditions.perfect
        var seed: UInt64 = 1
        /// What the description promises about the client's certificate; nil for the truth.
        var promisedFingerprint: CertificateFingerprint?
        var limits = ICELimits()
    }

    enum End: Equatable {
        case engine(port: UInt16)
        case client(port: UInt16)
    }

    static let credentials = ICECredentials(ufrag: "martletUfrag", password: "passwordOfTheServerItself+/01")
    static let start = Instant.seconds(1_000)

    let engine: TransportEngine
    let client: TestClient
    var network: LossyNetwork<End>
    private(set) var now = TransportPair.start
    private(set) var events: [TransportEvent] = []
    private(set) var received: [ReceivedDatagram] = []
    private(set) var plaintext: [[UInt8]] = []
    /// Every datagram the engine sent, with when and to which port.
    private(set) var sent: [(at: Instant, port: UInt16, datagram: [UInt8])] = []
    private(set) var largestSent = 0

    init(_ setup: Setup = Setup()) throws {
        let own = try TestIdentities.server
        let other = try TestIdentities.client
        engine = TransportEngine(
            TransportConfiguration(
                localCredentials: Self.credentials, remoteCredentials: TestClient.credentials,
                remoteFingerprints: [try setup.promisedFingerprint ?? other.fingerprint()], role: setup.role,
                identity: own, iceLimits: setup.limits, checkSecret: Array(1...32)), startedAt: Self.start)
        client = TestClient(
            identity: other, role: setup.role == .server ? .client : .server,
            remoteFingerprint: try own.fingerprint(), profiles: setup.clientProfiles, remote: Self.credentials)
        network = LossyNetwork(setup.conditions, seed: setup.seed)
    }

    static func tuple(_ port: UInt16) -> TransportTuple {
        TransportTuple(
            local: SocketAddress(ipv4: 0xC000_0201, port: 8189), remote: SocketAddress(ipv4: 0xC633_6407, port: port))
    }

    var elapsedMilliseconds: Int64 { now.milliseconds(since: Self.start) }
    var isConnected: Bool { engine.isConnected && client.isConnected }

    /// Runs until `condition` holds or `milliseconds` have passed, whatever comes first; time then stands there.
    func run(milliseconds: UInt64, until condition: () -> Bool = { false }) {
        let limit = now.advanced(byMilliseconds: milliseconds)
        collect()
        while !condition() {
            let next = [engine.nextDeadline, client.nextDeadline, network.nextArrival].compactMap { $0 }.min()
            guard let next, next <= limit else {
                now = limit
                return
            }
            now = max(now, next)
            SystemClock.at(now) { step() }
            collect()
        }
    }

    private func step() {
        if let (end, datagram) = network.receive(at: now) {
            switch end {
            case .engine(let port): give(datagram, port: port)
            // What is sent to a port the client has left reaches nobody.
            case .client(let port): if port == client.port { client.received(datagram, at: now) }
            }
            return
        }
        if let due = client.nextDeadline, due <= now { client.deadlineReached(at: now) }
        if let due = engine.nextDeadline, due <= now { engine.deadlineReached(at: now) }
    }

    private func give(_ datagram: [UInt8], port: UInt16) {
        var datagram = datagram
        let result = datagram.withMutableBytes { engine.received(&$0, on: Self.tuple(port), at: now) }
        received.append(result)
        switch result {
        case .rtp(let count), .rtcp(let count): plaintext.append(Array(datagram[..<count]))
        case .consumed, .refusedCheck, .refusedAnswer, .stray: break
        }
    }

    /// Hands a datagram to the engine at once, as if it had come from `port`.
    @discardableResult
    func inject(_ datagram: [UInt8], port: UInt16) -> ReceivedDatagram? {
        SystemClock.at(now) { give(datagram, port: port) }
        collect()
        return received.last
    }

    /// Puts what both ends have to send onto the network, and the engine's events into the list.
    func collect() {
        for (port, datagram) in client.outbox { network.send(datagram, to: .engine(port: port), at: now) }
        client.outbox = []
        engine.drainOutput { tuple, bytes in
            sent.append((now, tuple.remote.port, bytes.array))
            largestSent = max(largestSent, bytes.byteCount)
            network.send(bytes.array, to: .client(port: tuple.remote.port), at: now)
        }
        while let event = engine.takeEvent() { events.append(event) }
    }

    /// Starts the client and runs until both ends have keys.
    func connect(withinMilliseconds limit: UInt64 = 30_000) throws {
        client.start(at: now)
        run(milliseconds: limit) { isConnected }
        try #require(isConnected, "not connected after \(elapsedMilliseconds) ms")
    }

    /// Sends a media packet from the engine to the client; false when the engine would not.
    func sendMedia(_ sequenceNumber: UInt16) -> Bool {
        guard engine.isConnected, let tuple = engine.selectedTuple else { return false }
        var fitted = false
        let packet = TestClient.packet(ssrc: 9, sequenceNumber: sequenceNumber)
        let datagram = [UInt8].written(capacity: packet.count + SRTPProfile.maximumTagLength) { output in
            packet.withBytes { output.append(contentsOf: $0) }
            fitted = engine.protect(&output)
        }
        network.send(datagram, to: .client(port: tuple.remote.port), at: now)
        return fitted
    }

    var closeReason: TransportCloseReason? {
        for case .closed(let reason) in events { return reason }
        return nil
    }
}

/// Two identities that every test may use; making them is not what is tested.
enum TestIdentities {
    private static let made = Result { () throws(SecureError) in
        (try DTLSIdentity.generate(), try DTLSIdentity.generate())
    }
    static var server: DTLSIdentity { get throws { try made.get().0 } }
    static var client: DTLSIdentity { get throws { try made.get().1 } }
}

extension DTLSIdentity {
    func fingerprint() throws -> CertificateFingerprint {
        try #require(CertificateFingerprint(algorithm: .sha256, bytes: fingerprintSHA256))
    }
}
