internal import Synchronization

/// All metrics of a server, and their text for Prometheus.
///
/// Names are given without the prefix `martlet_`; units are base units in the name (`_seconds`, `_bytes`), and counters
/// get their `_total` here. Asking twice for one name and labels gives the same metric.
public final class MetricsRegistry: Sendable {
    static let prefix = "martlet_"
    /// Series of one family beyond which further ones are one, so that labels made by clients stay bounded.
    static let maximumSeries = 1_000

    private enum Metric {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }

    private struct Family {
        var help: String
        var kind: MetricKind
        var series: [[MetricLabel]: Metric] = [:]
        var order: [[MetricLabel]] = []

        mutating func metric(_ asked: [MetricLabel], make: () -> Metric) -> Metric {
            var labels = asked
            if series[labels] == nil, order.count >= MetricsRegistry.maximumSeries {
                labels = labels.map { MetricLabel($0.name, "other") }
            }
            if let present = series[labels] { return present }
            let metric = make()
            series[labels] = metric
            order.append(labels)
            return metric
        }
    }

    private struct State {
        var families: [String: Family] = [:]
        var order: [String] = []
        var collectors: [@Sendable () async -> [MetricFamily]] = []
    }

    private let state = Mutex(State())

    public init() {}

    public func counter(_ name: String, help: String, labels: [MetricLabel] = []) -> Counter {
        let metric = find(name + "_total", help, .counter, labels) { .counter(Counter()) }
        if case .counter(let counter) = metric { return counter }
        return Counter()
    }

    public func gauge(_ name: String, help: String, labels: [MetricLabel] = []) -> Gauge {
        let metric = find(name, help, .gauge, labels) { .gauge(Gauge()) }
        if case .gauge(let gauge) = metric { return gauge }
        return Gauge()
    }

    /// - Parameter bounds: Upper bounds of the buckets; the one without bound is added.
    public func histogram(
        _ name: String, help: String, bounds: [Double], labels: [MetricLabel] = []
    ) -> Histogram {
        let metric = find(name, help, .histogram, labels) { .histogram(Histogram(bounds: bounds)) }
        if case .histogram(let histogram) = metric { return histogram }
        return Histogram(bounds: bounds)
    }

    /// Adds families that are made when somebody asks, such as one sample per session. They carry whole names.
    public func collect(_ collector: @escaping @Sendable () async -> [MetricFamily]) {
        state.withLock { $0.collectors.append(collector) }
    }

    /// A metric of another kind under a name in use is a mistake of the program; it is counted and never shown.
    private func find(
        _ name: String, _ help: String, _ kind: MetricKind, _ labels: [MetricLabel], make: () -> Metric
    ) -> Metric {
        let name = Self.prefix + name
        return state.withLock { state in
            guard let present = state.families[name]?.kind else {
                state.order.append(name)
                var family = Family(help: help, kind: kind)
                defer { state.families[name] = family }
                return family.metric(labels, make: make)
            }
            guard present == kind else { return make() }
            // Optional chaining changes the family where it is; a copy would make every new series cost all others.
            return state.families[name]?.metric(labels, make: make) ?? make()
        }
    }

    /// The text of all metrics, sorted as they were declared, collected families last.
    public func render() async -> String {
        let (families, collectors) = state.withLock { state in
            (state.order.compactMap { name in state.families[name].map { Self.snapshot(name, $0) } }, state.collectors)
        }
        var all = families
        for collector in collectors { all += await collector() }
        var text = ""
        var written: Set<String> = []
        // A family may appear once only in the format.
        for family in all where written.insert(family.name).inserted { family.write(into: &text) }
        return text
    }

    private static func snapshot(_ name: String, _ family: Family) -> MetricFamily {
        var result = MetricFamily(name: name, help: family.help, kind: family.kind)
        for labels in family.order {
            switch family.series[labels] {
            case .counter(let counter): result.samples.append(MetricSample(Double(counter.value), labels: labels))
            case .gauge(let gauge): result.samples.append(MetricSample(Double(gauge.value), labels: labels))
            case .histogram(let histogram): result.samples += samples(of: histogram, labels)
            case nil: break
            }
        }
        return result
    }

    private static func samples(of histogram: Histogram, _ labels: [MetricLabel]) -> [MetricSample] {
        let (buckets, sum) = histogram.snapshot
        var samples: [MetricSample] = []
        var count: UInt64 = 0
        for (index, bucket) in buckets.enumerated() {
            count += bucket
            let bound = index < histogram.bounds.count ? MetricFamily.number(histogram.bounds[index]) : "+Inf"
            samples.append(
                MetricSample(Double(count), labels: labels + [MetricLabel("le", bound)], suffix: "_bucket"))
        }
        samples.append(MetricSample(sum, labels: labels, suffix: "_sum"))
        samples.append(MetricSample(Double(count), labels: labels, suffix: "_count"))
        return samples
    }
}
