/// A room as metrics show it.
public struct PathSnapshot: Sendable, Hashable {
    public var name: String
    /// Whether somebody publishes.
    public var isReady: Bool
    public var readers: Int
    public var inboundBytes: UInt64
    public var outboundBytes: UInt64

    public init(name: String, isReady: Bool, readers: Int, inboundBytes: UInt64, outboundBytes: UInt64) {
        self.name = name
        self.isReady = isReady
        self.readers = readers
        self.inboundBytes = inboundBytes
        self.outboundBytes = outboundBytes
    }
}

/// A WebRTC session as metrics show it.
public struct SessionSnapshot: Sendable, Hashable {
    /// The public id, never the secret of the session's URL.
    public var id: String
    public var path: String
    public var remoteAddress: String
    public var role: PeerRole
    public var inboundBytes: UInt64
    public var outboundBytes: UInt64
    public var inboundPackets: UInt64
    public var outboundPackets: UInt64
    public var inboundPacketsLost: UInt64

    public init(
        id: String, path: String, remoteAddress: String, role: PeerRole, inboundBytes: UInt64 = 0,
        outboundBytes: UInt64 = 0, inboundPackets: UInt64 = 0, outboundPackets: UInt64 = 0,
        inboundPacketsLost: UInt64 = 0
    ) {
        self.id = id
        self.path = path
        self.remoteAddress = remoteAddress
        self.role = role
        self.inboundBytes = inboundBytes
        self.outboundBytes = outboundBytes
        self.inboundPackets = inboundPackets
        self.outboundPackets = outboundPackets
        self.inboundPacketsLost = inboundPacketsLost
    }
}

/// Metrics under the names and labels that dashboards for MediaMTX ask for.
public enum MediaMTXMetrics {
    public static func families(paths: [PathSnapshot], sessions: [SessionSnapshot]) -> [MetricFamily] {
        func path(_ name: String, _ help: String, _ kind: MetricKind, _ value: (PathSnapshot) -> Double) -> MetricFamily
        {
            MetricFamily(
                name: name, help: help, kind: kind,
                samples: paths.map { path in
                    let state = MetricLabel("state", path.isReady ? "ready" : "notReady")
                    return MetricSample(value(path), labels: [MetricLabel("name", path.name), state])
                })
        }
        func session(
            _ name: String, _ help: String, _ kind: MetricKind, _ value: (SessionSnapshot) -> Double
        ) -> MetricFamily {
            MetricFamily(
                name: name, help: help, kind: kind,
                samples: sessions.map { session in
                    MetricSample(
                        value(session),
                        labels: [
                            MetricLabel("id", session.id), MetricLabel("path", session.path),
                            MetricLabel("remoteAddr", session.remoteAddress),
                            MetricLabel("state", session.role == .publisher ? "publish" : "read"),
                        ])
                })
        }
        return [
            path("paths", "Paths, 1 for each.", .gauge) { _ in 1 },
            path("paths_readers", "Viewers of a path.", .gauge) { Double($0.readers) },
            path("paths_inbound_bytes", "Bytes received from the publisher.", .counter) { Double($0.inboundBytes) },
            path("paths_outbound_bytes", "Bytes sent to viewers.", .counter) { Double($0.outboundBytes) },
            session("webrtc_sessions", "WebRTC sessions, 1 for each.", .gauge) { _ in 1 },
            session("webrtc_sessions_inbound_bytes", "Bytes received.", .counter) { Double($0.inboundBytes) },
            session("webrtc_sessions_outbound_bytes", "Bytes sent.", .counter) { Double($0.outboundBytes) },
            session("webrtc_sessions_inbound_rtp_packets", "RTP packets received.", .counter) {
                Double($0.inboundPackets)
            },
            session("webrtc_sessions_outbound_rtp_packets", "RTP packets sent.", .counter) {
                Double($0.outboundPackets)
            },
            session("webrtc_sessions_inbound_rtp_packets_lost", "RTP packets that never arrived.", .counter) {
                Double($0.inboundPacketsLost)
            },
        ]
    }
}
