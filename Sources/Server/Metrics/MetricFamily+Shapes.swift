import Synchronization

/// The shapes that families have whose values are looked up when somebody asks. Names are given without the prefix
/// `martlet_`, and whole otherwise.
extension MetricFamily {
    static func counter(_ name: String, _ help: String, _ value: UInt64) -> MetricFamily {
        MetricFamily(
            name: MetricsRegistry.prefix + name, help: help, kind: .counter, samples: [MetricSample(Double(value))])
    }

    static func counter(_ name: String, _ help: String, _ value: borrowing Atomic<UInt64>) -> MetricFamily {
        counter(name, help, value.load(ordering: .relaxed))
    }

    static func gauge(_ name: String, _ help: String, _ value: Int) -> MetricFamily {
        MetricFamily(
            name: MetricsRegistry.prefix + name, help: help, kind: .gauge, samples: [MetricSample(Double(value))])
    }

    static func gauge(_ name: String, _ help: String, _ value: borrowing Atomic<Int>) -> MetricFamily {
        gauge(name, help, value.load(ordering: .relaxed))
    }

    /// A sample for each value of one label.
    static func family(
        _ kind: MetricKind, _ name: String, _ help: String, by label: String, _ values: KeyValuePairs<String, UInt64>
    ) -> MetricFamily {
        MetricFamily(
            name: MetricsRegistry.prefix + name, help: help, kind: kind,
            samples: values.map { MetricSample(Double($0.value), labels: [MetricLabel(label, $0.key)]) })
    }
}
