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
            .family(
                .gauge, "viewer_congestion",
                "What the viewers of this moment were not sent, or sent to find out what their links carry.",
                by: "event",
                [
                    "frames_refused": sum { $0.pacer.framesRefused },
                    "packets_queued": sum { $0.pacer.packetsQueued },
                    "packets_refused": sum { $0.pacer.packetsRefused },
                    "video_stops": sum { $0.pacer.stops }, "repairs_refused": sum { $0.repairsRefused },
                    "keyframe_requests": sum { $0.keyframeRequests }, "probes": sum { $0.probes.begun },
                    "probes_succeeded": sum { $0.probes.succeeded }, "padding_bytes": sum { $0.paddingBytes },
                ]),
            .gauge(
                "viewers_held_back", "Viewers whose video waits for a keyframe because their link does not carry it.",
                links.count { $0.statistics.isVideoStopped }),
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

    private func sum(_ value: (CongestionController.Statistics) -> UInt64) -> UInt64 {
        links.reduce(0) { $0 &+ value($1.statistics) }
    }
}
