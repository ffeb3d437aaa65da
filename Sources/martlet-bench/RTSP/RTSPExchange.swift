import Loop
import RTSP
import Wire

/// A client's RTSP connection: requests and frames out, responses in; frames that come are counted.
actor RTSPExchange: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    /// Of the room.
    nonisolated let url: String

    private let server: SocketAddress
    private var connection: TCPConnection?
    private var parser = RTSPStreamParser()
    private var sequenceNumber = 0
    private var session: String?
    private var waiting: CheckedContinuation<RTSPResponse, any Error>?
    private var scratch: [UInt8] = []
    /// Channels that carry video; all others carry audio.
    private var videoChannels: Set<UInt8> = []
    private(set) var received: ReceivedPackets

    init(on loop: EventLoop, server: SocketAddress, room: String, isChecking: Bool = false) {
        eventLoop = loop
        self.server = server
        url = "rtsp://\(server)/\(room)"
        received = ReceivedPackets(isChecking: isChecking)
    }

    func connect() throws {
        let connection = try TCPConnection.connect(to: server, on: eventLoop)
        self.connection = connection
        connection.start(
            onData: { self.received($0) },
            onClosed: { reason in self.fail(BenchmarkFault("the server closed an RTSP connection: \(reason)")) })
    }

    func close() {
        connection?.close()
        connection = nil
    }

    /// Sends a request and waits for its answer, which has to be a success.
    ///
    /// - Parameter control: the part of the URL behind the room's.
    func request(
        _ method: RTSPMethod, control: String = "", _ fields: [(String, String)] = [], body: [UInt8] = []
    ) async throws -> RTSPResponse {
        sequenceNumber += 1
        var headers = RTSPHeaders([("CSeq", "\(sequenceNumber)")] + fields)
        if let session { headers["Session"] = session }
        let request = RTSPRequest(method, url + control, headers: headers, body: body)
        let response = try await withCheckedThrowingContinuation { continuation in
            waiting = continuation
            guard connection?.write(request.serialized) == true else {
                return fail(BenchmarkFault("an RTSP request cannot be sent"))
            }
        }
        guard response.status.code == 200 else {
            throw BenchmarkFault("\(method.rawValue) was refused: \(response.status.code) \(response.status.phrase)")
        }
        if let text = response.headers["Session"] {
            session = text.split(separator: ";").first.map { String($0) }
        }
        return response
    }

    /// Sets a track up over the connection.
    func setUp(control: String, channel: UInt8, isVideo: Bool, mode: String) async throws {
        if isVideo { videoChannels.insert(channel) }
        _ = try await request(
            .setup, control: control,
            [("Transport", "RTP/AVP/TCP;unicast;interleaved=\(channel)-\(channel + 1);mode=\(mode)")])
    }

    func send(_ packet: RawSpan, channel: UInt8) {
        scratch.removeAll(keepingCapacity: true)
        InterleavedFrame.append(packet, channel: channel, to: &scratch)
        scratch.withBytes { _ = connection?.write($0) }
    }

    private func received(_ bytes: RawSpan) {
        parser.append(bytes)
        while true {
            do {
                switch try parser.next() {
                case nil: return
                case .frame(let channel, let range)? where channel.isMultiple(of: 2):
                    let isVideo = videoChannels.contains(channel)
                    parser.withBytes(range) { received.received($0, isVideo: isVideo) }
                case .response(let response)?:
                    waiting?.resume(returning: response)
                    waiting = nil
                case .frame?, .request?: break
                }
            } catch {
                close()
                return fail(BenchmarkFault("the server's RTSP cannot be read: \(error)"))
            }
        }
    }

    private func fail(_ fault: BenchmarkFault) {
        waiting?.resume(throwing: fault)
        waiting = nil
    }
}
