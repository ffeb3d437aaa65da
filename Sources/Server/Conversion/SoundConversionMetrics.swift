import Synchronization

/// What conversions of sound count, gathered when somebody asks.
struct SoundConversionMetrics: Sendable {
    let counters: SoundConversionCounters

    func attach(to registry: MetricsRegistry) {
        registry.collect { families }
    }

    private var families: [MetricFamily] {
        [
            MetricFamily(
                name: MetricsRegistry.prefix + "sound_conversions",
                help: "Rooms whose sound is converted for viewers, by what their transcoder does.", kind: .gauge,
                samples: [
                    state("running", counters.running), state("restarting", counters.restarting),
                ]),
            counter("restarts_total", "Transcoders that ended and were started again.", counters.restarts),
            counter(
                "refused_total", "Times that no transcoder was started because maxTranscoders ran.", counters.refused),
            counter("frames_total", "Frames of sound given to transcoders.", counters.frames),
            counter(
                "dropped_frames_total", "Frames that no transcoder took in time, or for want of one.",
                counters.droppedFrames),
            counter("damaged_frames_total", "Frames that could not be decoded.", counters.damagedFrames),
            counter("packets_total", "Opus packets that transcoders made.", counters.packets),
            counter(
                "malformed_replies_total", "Messages of transcoders that could not be read.", counters.malformedReplies),
        ]
    }

    private func state(_ name: String, _ value: borrowing Atomic<Int>) -> MetricSample {
        MetricSample(Double(value.load(ordering: .relaxed)), labels: [MetricLabel("state", name)])
    }

    private func counter(_ name: String, _ help: String, _ value: borrowing Atomic<UInt64>) -> MetricFamily {
        MetricFamily(
            name: MetricsRegistry.prefix + "sound_" + name, help: help, kind: .counter,
            samples: [MetricSample(Double(value.load(ordering: .relaxed)))])
    }
}
