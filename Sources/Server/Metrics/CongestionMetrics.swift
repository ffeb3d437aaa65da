import RTP

/// What is known about viewers' links and what was done about them, over the sessions that exist.
struct CongestionMetrics {
    private struct Link {
        var session: SessionSnapshot
        var statistics: CongestionController.Statistics
    }

    private var links: [Link] = []

    mutating func add(_ session: SessionSnapshot, _ statistics: CongestionController.Statistics?) {
        if let statistics { links.append(Link(session: session, statistics: statistics)) }
    }

    var families: [MetricFamily] {
        [
            perViewer(
                "viewer_bandwidth_bits_per_second", "What a viewer's link is thought to carry.",
                { $0.estimatedBitsPerSecond.map { Double($0) } }),
            perViewer(
                "viewer_queue_seconds", "How long what waits for a viewer takes to leave.",
                { $0.queueMilliseconds / 1000 }),
            MetricFamily(
                name: MetricsRegistry.prefix + "viewer_congestion",
                help: "What the viewers of this moment were not sent, or sent to find out what their links carry.",
                kind: .gauge,
                samples: [
                    event("frames_refused") { $0.pacer.framesRefused },
                    event("packets_queued") { $0.pacer.packetsQueued },
                    event("packets_refused") { $0.pacer.packetsRefused },
                    event("video_stops") { $0.pacer.stops }, event("repairs_refused") { $0.repairsRefused },
                    event("keyframe_requests") { $0.keyframeRequests }, event("probes") { $0.probes.begun },
                    event("probes_succeeded") { $0.probes.succeeded }, event("padding_bytes") { $0.paddingBytes },
                ]),
            MetricFamily(
                name: MetricsRegistry.prefix + "viewers_held_back",
                help: "Viewers whose video waits for a keyframe because their link does not carry it.", kind: .gauge,
                samples: [MetricSample(Double(links.count { $0.statistics.isVideoStopped }))]),
        ]
    }

    private func perViewer(
        _ name: String, _ help: String, _ value: (CongestionController.Statistics) -> Double?
    ) -> MetricFamily {
        MetricFamily(
            name: MetricsRegistry.prefix + name, help: help, kind: .gauge,
            samples: links.compactMap { link in
                value(link.statistics).map {
                    MetricSample(
                        $0, labels: [MetricLabel("id", link.session.id), MetricLabel("path", link.session.path)])
                }
            })
    }

    private func event(_ name: String, _ value: (CongestionController.Statistics) -> UInt64) -> MetricSample {
        MetricSample(
            Double(links.reduce(0) { $0 &+ value($1.statistics) }), labels: [MetricLabel("event", name)])
    }
}
