/// What ICE-TCP counts.
extension MediaMetrics {
    func streamFamilies() async -> [MetricFamily] {
        let connections = service.media.streamCounters.snapshot
        var frames = StreamConnections.Statistics()
        for arena in service.media.arenas {
            let statistics = await arena.streamStatistics
            frames.framesReceived &+= statistics.framesReceived
            frames.framesSent &+= statistics.framesSent
            frames.bytesSent &+= statistics.bytesSent
            frames.framesDropped &+= statistics.framesDropped
            frames.idle &+= statistics.idle
        }
        return [
            .gauge("ice_tcp_connections", "Connections of clients that UDP does not reach.", connections.open),
            .counter("ice_tcp_connections_total", "Such connections since the start.", connections.accepted),
            .family(
                .counter, "ice_tcp_connections_closed_total", "Connections the server closed or refused, by cause.",
                by: "reason",
                [
                    "limit": connections.refused, "no_first_frame": connections.timedOut,
                    "invalid": connections.invalid, "idle": frames.idle,
                ]),
            .counter("ice_tcp_frames_received_total", "Packets received over such connections.", frames.framesReceived),
            .counter("ice_tcp_frames_sent_total", "Packets sent over such connections.", frames.framesSent),
            .counter("ice_tcp_bytes_sent_total", "Bytes of those packets.", frames.bytesSent),
            .counter(
                "ice_tcp_frames_dropped_total", "Packets dropped because a client takes too little.",
                frames.framesDropped),
        ]
    }
}
