/// What connections to other RTSP servers count, gathered when somebody asks.
struct RTSPClientMetrics: Sendable {
    let counters: RTSPClientCounters

    func attach(to registry: MetricsRegistry) {
        registry.collect { families }
    }

    private var families: [MetricFamily] {
        [
            .gauge("rtsp_sources_playing", "Sources that bring media now.", counters.playing),
            .counter("rtsp_pull_attempts_total", "Connections begun to sources.", counters.pullAttempts),
            .counter(
                "rtsp_pull_failures_total", "Connections to sources that brought no media.", counters.pullFailures),
            .counter("rtsp_pull_fallbacks_total", "Sources that went over from UDP to TCP.", counters.fallbacks),
            .counter(
                "rtsp_pull_foreign_datagrams_total",
                "Datagrams to sources' ports that came from elsewhere, by sources that ended.",
                counters.foreignDatagrams),
            .counter(
                "rtsp_pull_refused_total", "Viewers refused because enough sources of patterns were pulled.",
                counters.sourcesRefused),
            .gauge("rtsp_forwards_sending", "Servers that are being pushed to now.", counters.pushing),
            .counter("rtsp_forward_attempts_total", "Connections begun to push.", counters.pushAttempts),
            .counter("rtsp_forward_failures_total", "Connections that were not let push.", counters.pushFailures),
        ]
    }
}
