import Synchronization

/// What connections to other RTSP servers count, gathered when somebody asks.
struct RTSPClientMetrics: Sendable {
    let counters: RTSPClientCounters

    func attach(to registry: MetricsRegistry) {
        registry.collect { families }
    }

    private var families: [MetricFamily] {
        [
            gauge("sources_playing", "Sources that bring media now.", counters.playing),
            counter("pull_attempts_total", "Connections begun to sources.", counters.pullAttempts),
            counter("pull_failures_total", "Connections to sources that brought no media.", counters.pullFailures),
            counter("pull_fallbacks_total", "Sources that went over from UDP to TCP.", counters.fallbacks),
            counter(
                "pull_foreign_datagrams_total",
                "Datagrams to sources' ports that came from elsewhere, by sources that ended.",
                counters.foreignDatagrams),
            gauge("forwards_sending", "Servers that are being pushed to now.", counters.pushing),
            counter("forward_attempts_total", "Connections begun to push.", counters.pushAttempts),
            counter("forward_failures_total", "Connections that were not let push.", counters.pushFailures),
        ]
    }

    private func counter(_ name: String, _ help: String, _ value: borrowing Atomic<UInt64>) -> MetricFamily {
        MetricFamily(
            name: MetricsRegistry.prefix + "rtsp_" + name, help: help, kind: .counter,
            samples: [MetricSample(Double(value.load(ordering: .relaxed)))])
    }

    private func gauge(_ name: String, _ help: String, _ value: borrowing Atomic<Int>) -> MetricFamily {
        MetricFamily(
            name: MetricsRegistry.prefix + "rtsp_" + name, help: help, kind: .gauge,
            samples: [MetricSample(Double(value.load(ordering: .relaxed)))])
    }
}
