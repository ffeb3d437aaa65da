import HTTP
import ICE
import Loop
import Secure
import Streams
import Synchronization
import TestKit
import Testing
import Wire

@testable import Server

/// Rooms tell of changes; who listens exists only after the rooms' directory does.
private final class ViewersBox: Sendable {
    let events = Mutex<ViewerEvents?>(nil)
}

/// Signaling and media of a server without its HTTP sockets: requests go through the router, media through loopback.
final class ServerHarness: Sendable {
    let control: EventLoop
    let media: MediaPlane
    let directory: RoomDirectory
    let service: WebRTCService
    let feed: RoomsFeed
    let router: Router
    let hub = EventHub()
    let records = InMemoryLog()

    private init(loops: Int, _ streams: LocalTCPAddress, _ limits: StreamLimits, _ settings: ServerSettings)
        async throws
    {
        control = try EventLoop(name: "control")
        try control.start()
        let logger = Logger(Log(level: .debug, sinks: [records]))
        media = try await MediaPlane(
            loopCount: loops, listen: try #require(ListenAddress("127.0.0.1:0")), listenTCP: streams,
            streamLimits: limits, logger: logger)
        let (hub, peers, viewers) = (hub, PeerBook(), ViewersBox())
        directory = RoomDirectory(on: control, media: media) { name, event in
            viewers.events.withLock { $0 }?.changed(name)
            if let event = ServerEvent(event, room: name, peers: peers) { hub.publish(event) }
        }
        service = WebRTCService(
            media: media, directory: directory, hub: hub, logger: logger,
            candidates: CandidateSource(
                sockets: media.sockets.map(\.localAddress), streams: media.streamAddresses, interfaces: [],
                settings: settings, hosts: [:]),
            hostNames: HostNames(settings.webrtcAdditionalHosts, logger: logger),
            interfaces: try InterfaceAddresses(logger: logger, at: MonotonicClock.now) { () throws(LoopError) in [] },
            peers: peers,
            settings: { settings })
        let events = service.viewerEvents
        viewers.events.withLock { $0 = events }
        let list = RoomList(directory: directory, peers: peers, settings: { settings })
        feed = RoomsFeed(on: control, list: list)
        let signaling = SignalingRoutes(
            service: service, authorizer: TokenAuthorizer(settings: settings), settings: { settings },
            limits: RequestLimits(settings))
        var router = Router()
        signaling.add(to: &router)
        SigmaRoutes(signaling: signaling, list: list, feed: feed).add(to: &router)
        self.router = router
    }

    /// Runs `body` with a server, which takes media over TCP as well if wanted.
    static func with<R: Sendable>(
        loops: Int = 1, streams: Bool = false, firstFrameMilliseconds: UInt64? = nil,
        _ settings: ServerSettings = .made { _ in }, _ body: (ServerHarness) async throws -> R
    ) async throws -> R {
        var limits = StreamLimits()
        if let firstFrameMilliseconds { limits.firstFrameMilliseconds = firstFrameMilliseconds }
        let listen = streams ? LocalTCPAddress.address(try #require(ListenAddress("127.0.0.1:0"))) : .none
        let harness = try await ServerHarness(loops: loops, listen, limits, settings)
        do {
            let result = try await body(harness)
            await harness.stop()
            return result
        } catch {
            await harness.stop()
            throw error
        }
    }

    private func stop() async {
        await feed.stop()
        await service.endAll(.stopping)
        await directory.stop()
        await media.stop()
        control.stop()
    }

    var mediaAddress: SocketAddress { media.sockets[0].localAddress }

    func respond(
        _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], body: String = ""
    ) async throws -> HTTPResponse {
        await router.respond(
            to: try makeRequest(method, target, headers: headers, body: Array(body.utf8)))
    }

    /// POSTs an offer the way WHIP and WHEP clients do.
    func post(_ target: String, _ offer: String, token: String? = nil) async throws -> HTTPResponse {
        var headers: HTTPHeaders = ["Content-Type": "application/sdp"]
        if let token { headers["Authorization"] = "Bearer \(token)" }
        return try await respond(.post, target, headers: headers, body: offer)
    }

    /// The `Location` of a session made by a POST that has to succeed.
    func session(_ target: String, _ offer: String, token: String? = nil) async throws -> String {
        let response = try await post(target, offer, token: token)
        try #require(response.status == 201, "\(response.status) \(bodyText(response))")
        return try #require(response.headers["Location"])
    }
}

extension ServerSettings {
    /// The defaults as `change` leaves them, without limits of requests.
    static func made(_ change: (inout ServerSettings) -> Void) -> ServerSettings {
        var settings = ServerSettings()
        settings.httpRequestsPerSecond = 0
        change(&settings)
        return settings
    }

    /// Settings of every path at once.
    mutating func everyPath(_ change: (inout PathSettings) -> Void) {
        var path = PathSettings()
        change(&path)
        paths = [PathEntry(name: "all_others", match: .allOthers, settings: path)]
    }
}

/// Offers as clients make them, with parts to change.
enum Offers {
    static let identity = Result { () throws(SecureError) in try DTLSIdentity.generate() }

    static func fingerprint() throws -> String {
        let bytes = try identity.get().fingerprintSHA256
        let digits = Array("0123456789ABCDEF")
        return bytes.map { String([digits[Int($0 >> 4)], digits[Int($0 & 15)]]) }.joined(separator: ":")
    }

    static func make(
        direction: String, setup: String = "actpass", audio: Bool = true, videoCodec: String = "VP8"
    ) throws -> String {
        let transport = [
            "a=ice-ufrag:\(TestClient.credentials.ufrag)", "a=ice-pwd:\(TestClient.credentials.password)",
            "a=fingerprint:sha-256 \(try fingerprint())", "a=setup:\(setup)", "a=\(direction)", "a=rtcp-mux",
        ]
        var lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0\(audio ? " 1" : "")"]
        lines += ["m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:0"] + transport
        lines += ["a=rtpmap:96 \(videoCodec)/90000", "a=rtcp-fb:96 nack pli"]
        if audio {
            lines += ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=mid:1"] + transport
            lines += ["a=rtpmap:111 opus/48000/2"]
        }
        return lines.map { $0 + "\r\n" }.joined()
    }

    static func publisher() throws -> String { try make(direction: "sendonly") }
    static func viewer() throws -> String { try make(direction: "recvonly") }
}
