/// Counts what the hub reports, so that nothing else has to.
public struct MetricsSubscriber: Sendable {
    private let registry: MetricsRegistry
    private let rooms: Gauge
    private let publishers: Gauge
    private let viewers: Gauge

    /// Starts counting the events of `hub` and what it and the log lose.
    @discardableResult
    public static func attach(_ registry: MetricsRegistry, to hub: EventHub, log: Log? = nil) -> EventHub.Token {
        let subscriber = MetricsSubscriber(registry)
        registry.collect { [weak hub, weak log] in
            let lost = log?.lost ?? (dropped: 0, suppressed: 0)
            return [
                .counter(
                    "events_dropped_total", "Events light subscribers missed.", UInt64(clamping: hub?.dropped ?? 0)),
                .family(
                    .counter, "log_messages_lost_total",
                    "Log messages dropped because the log was too slow, or held back by the rate limit.", by: "reason",
                    ["dropped": UInt64(clamping: lost.dropped), "suppressed": UInt64(clamping: lost.suppressed)]),
            ]
        }
        return hub.subscribe { subscriber.received($0) }
    }

    public init(_ registry: MetricsRegistry) {
        self.registry = registry
        rooms = registry.gauge("rooms", help: "Rooms that exist.")
        publishers = registry.gauge("publishers", help: "Publishers that are connected.")
        viewers = registry.gauge("viewers", help: "Viewers that are connected.")
    }

    public func received(_ record: EventRecord) {
        count("events", "Lifecycle events.", [MetricLabel("event", record.event.name)])
        switch record.event {
        case .roomCreated: rooms.add(1)
        case .roomClosed: rooms.add(-1)
        case .publisherStarted: publishers.add(1)
        case .publisherStopped(_, _, let reason):
            publishers.add(-1)
            ended(.publisher, reason)
        case .viewerJoined: viewers.add(1)
        case .viewerLeft(_, _, let reason):
            viewers.add(-1)
            ended(.viewer, reason)
        // Offers refused have a counter of their own: not all of them make an event.
        case .sessionFailed(_, let failure) where failure.progress != .refused:
            count(
                "sessions_failed", "Sessions that never carried media.",
                [MetricLabel("role", failure.role.rawValue), MetricLabel("reason", failure.reason.rawValue)])
        default: break
        }
    }

    private func ended(_ role: PeerRole, _ reason: EndReason) {
        count(
            "sessions_ended", "Sessions that ended.",
            [MetricLabel("role", role.rawValue), MetricLabel("reason", reason.rawValue)])
    }

    private func count(_ name: String, _ help: String, _ labels: [MetricLabel]) {
        registry.counter(name, help: help, labels: labels).increment()
    }
}
