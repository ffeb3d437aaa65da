import ICE
import Loop
import Secure
import Wire

/// The client's end of a WebRTC transport: controlling ICE on one pair, DTLS client, SRTP out.
///
/// Loop-confined; what comes in is handed over as it is, encrypted.
final class ClientTransport {
    /// A browser's intervals: quick until the pair works, then as consent wants it (RFC 7675).
    private static let firstCheckMilliseconds: UInt64 = 50
    private static let checkMilliseconds: UInt64 = 2_500

    struct Identity: Sendable {
        var certificate: DTLSIdentity
        var credentials: ICECredentials

        init() throws {
            certificate = try DTLSIdentity.generate()
            guard let credentials = ICECredentials(randomBytes: SecureRandom.bytes(ICECredentials.randomByteCount))
            else { throw BenchmarkFault("no random numbers") }
            self.credentials = credentials
        }
    }

    private let eventLoop: EventLoop
    private let answer: SessionAnswer
    private let username: String
    private let socket: UDPSocket
    private let sender: DatagramSender
    private let dtls: DTLSEndpoint
    private var receiver: UDPReceiver?
    private var checkTimer: (any LoopTimer)?
    private var handshakeTimer: (any LoopTimer)?
    private var transaction: UInt64
    private var request: [UInt8] = []
    private let onConnected: (SRTPKeyMaterial) -> Void
    private let onMedia: (inout MutableRawSpan) -> Void

    private(set) var isConnected = false
    private var srtp: SRTPSender?
    private var srtcp: SRTCPSender?

    /// - Parameters:
    ///   - onConnected: media may be sent.
    ///   - onMedia: a datagram of RTP or RTCP came.
    init(
        on loop: EventLoop, answer: SessionAnswer, identity: Identity,
        onConnected: @escaping (SRTPKeyMaterial) -> Void, onMedia: @escaping (inout MutableRawSpan) -> Void
    ) throws {
        eventLoop = loop
        self.answer = answer
        self.onConnected = onConnected
        self.onMedia = onMedia
        username = "\(answer.credentials.ufrag):\(identity.credentials.ufrag)"
        socket = try UDPSocket(binding: SocketAddress(ipv4: 0x7F00_0001, port: 0))
        sender = try DatagramSender(on: loop, sockets: [socket])
        dtls = DTLSEndpoint(identity: identity.certificate, role: .client, remoteFingerprints: [answer.fingerprint])
        transaction = UInt64(socket.localAddress.port) << 32
        receiver = try UDPReceiver(socket, on: loop) { [unowned self] batch in self.received(&batch) }
        checkTimer = loop.makeTimer { [unowned self] in self.check() }
        handshakeTimer = loop.makeTimer { [unowned self] in
            self.dtls.deadlineReached(at: self.eventLoop.now)
            self.advanceHandshake()
        }
        check()
    }

    func close() {
        receiver?.close()
        receiver = nil
        checkTimer?.cancel()
        handshakeTimer?.cancel()
    }

    // MARK: in

    private func received(_ batch: inout DatagramBatch) {
        for index in 0..<batch.count {
            batch.withMutableBytes(at: index) { datagram in
                switch DatagramKind(datagram.bytes) {
                case .rtp, .rtcp: onMedia(&datagram)
                case .stun: receivedCheck(datagram.bytes)
                case .dtls:
                    dtls.received(datagram.bytes, at: eventLoop.now)
                    advanceHandshake()
                default: break
                }
            }
        }
    }

    private func receivedCheck(_ datagram: RawSpan) {
        guard let message = try? STUNMessage(parsing: datagram), message.messageClass == .success else { return }
        dtls.start(at: eventLoop.now)
        advanceHandshake()
    }

    // MARK: out

    private func check() {
        let interval = isConnected ? Self.checkMilliseconds : Self.firstCheckMilliseconds
        checkTimer?.schedule(at: eventLoop.now.advanced(byMilliseconds: interval))
        transaction &+= 1
        request.removeAll(keepingCapacity: true)
        let id = STUNTransactionID(high: 0x6D61_7274, low: transaction)
        let writer = STUNWriter(.request, transactionID: id, into: &request)
        writer.append(.username, username.utf8, into: &request)
        writer.append(.iceControlling, integer: UInt64(1), into: &request)
        writer.append(.priority, integer: UInt32(0x6E00_01FF), into: &request)
        writer.append(.useCandidate, [], into: &request)
        writer.appendIntegrity(key: Array(answer.credentials.password.utf8), .library, into: &request)
        writer.appendFingerprint(into: &request)
        request.withBytes { send($0) }
    }

    private func advanceHandshake() {
        dtls.drainDatagrams { send($0) }
        if let deadline = dtls.nextDeadline {
            handshakeTimer?.schedule(at: deadline)
        } else {
            handshakeTimer?.cancel()
        }
        guard !isConnected, let keys = dtls.takeKeys() else { return }
        srtp = try? SRTPSender(keys)
        srtcp = try? SRTCPSender(keys)
        isConnected = true
        onConnected(keys)
    }

    private func send(_ datagram: RawSpan) {
        _ = sender.append(to: answer.address, from: socket.localAddress, maximumSize: datagram.byteCount) {
            $0.append(contentsOf: datagram)
        }
    }

    /// Encrypts and sends the RTP packet that `write` writes.
    func send(maximumSize: Int, _ write: (inout OutputRawSpan) -> Void) {
        guard let srtp else { return }
        let room = maximumSize + SRTPProfile.maximumTagLength
        _ = sender.append(to: answer.address, from: socket.localAddress, maximumSize: room) { output in
            write(&output)
            _ = srtp.protect(&output)
        }
    }

    /// Encrypts and sends a compound RTCP packet, which is changed by it.
    func sendControl(_ compound: inout [UInt8]) {
        guard let srtcp, srtcp.protect(&compound) else { return }
        compound.withBytes { send($0) }
    }
}

extension ICEAuthentication {
    static let library = ICEAuthentication(
        hmacSHA1: { key, message, code in key.withBytes { Digest.hmacSHA1(key: $0, message, into: &code) } },
        hmacSHA256: { key, message, code in key.withBytes { Digest.hmacSHA256(key: $0, message, into: &code) } })
}
