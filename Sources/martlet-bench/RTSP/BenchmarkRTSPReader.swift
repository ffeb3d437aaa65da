import Loop
import RTP
import RTSP
import Wire

/// Reads one room over RTSP and counts what comes.
actor BenchmarkRTSPReader: LoopActor {
    enum Delivery: String, Sendable { case tcp, udp }

    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private struct Track {
        var control: String
        var isVideo: Bool
    }

    private static let portAttempts = 50

    private let exchange: RTSPExchange
    private let delivery: Delivery
    private var received: ReceivedPackets
    private var receivers: [UDPReceiver] = []
    /// For reports that nobody reads here.
    private var controlSockets: [UDPSocket] = []
    private var tracks: [Track] = []

    init(on loop: EventLoop, server: SocketAddress, room: String, over delivery: Delivery, isChecking: Bool) {
        eventLoop = loop
        self.delivery = delivery
        exchange = RTSPExchange(on: loop, server: server, room: room, isChecking: isChecking)
        received = ReceivedPackets(isChecking: isChecking)
    }

    func play() async throws {
        try await exchange.connect()
        let response = try await exchange.request(.describe, [("Accept", "application/sdp")])
        tracks = Self.tracks(String(decoding: response.body, as: UTF8.self))
        for (index, track) in tracks.enumerated() {
            switch delivery {
            case .tcp:
                try await exchange.setUp(
                    control: "/" + track.control, channel: UInt8(index * 2), isVideo: track.isVideo, mode: "play")
            case .udp:
                let ports = try bind(isVideo: track.isVideo)
                _ = try await exchange.request(
                    .setup, control: "/" + track.control,
                    [("Transport", "RTP/AVP;unicast;client_port=\(ports.lowerBound)-\(ports.upperBound)")])
            }
        }
        _ = try await exchange.request(.play, [("Range", "npt=0-")])
    }

    func stop() async {
        for receiver in receivers { receiver.close() }
        receivers = []
        await exchange.close()
    }

    private static func tracks(_ description: String) -> [Track] {
        var tracks: [Track] = []
        for line in description.split(whereSeparator: \.isNewline) {
            if line.hasPrefix("m=") {
                tracks.append(Track(control: "", isVideo: line.hasPrefix("m=video")))
            } else if line.hasPrefix("a=control:"), !tracks.isEmpty {
                tracks[tracks.count - 1].control = String(line.dropFirst(10))
            }
        }
        return tracks
    }

    /// Binds two neighbouring ports.
    private func bind(isVideo: Bool) throws -> ClosedRange<UInt16> {
        var settings = UDPSocket.Settings()
        settings.usesSegmentation = false
        for _ in 0..<Self.portAttempts {
            let socket = try UDPSocket(binding: SocketAddress(ipv4: 0x7F00_0001, port: 0), settings: settings)
            let port = socket.localAddress.port
            guard port < .max, port.isMultiple(of: 2),
                let control = try? UDPSocket(binding: SocketAddress(ipv4: 0x7F00_0001, port: port + 1))
            else { continue }
            controlSockets.append(control)
            receivers.append(
                try UDPReceiver(socket, on: eventLoop) { batch in
                    for index in 0..<batch.count {
                        batch.withBytes(at: index) { self.received.received($0, isVideo: isVideo) }
                    }
                })
            return port...port + 1
        }
        throw BenchmarkFault("no pair of ports to be had")
    }

    /// Whether every track has brought something.
    var hasMedia: Bool {
        let count = delivery == .udp ? received.streamCount : exchange.onLoop { $0.received.streamCount }
        return !tracks.isEmpty && count == tracks.count
    }

    var statistics: ReceivedPackets.Statistics {
        delivery == .udp ? received.statistics : exchange.onLoop { $0.received.statistics }
    }
}
