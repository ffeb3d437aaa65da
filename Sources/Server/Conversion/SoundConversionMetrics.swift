import Synchronization

/// What conversions of sound count, gathered when somebody asks.
struct SoundConversionMetrics: Sendable {
    let counters: SoundConversionCounters

    func attach(to registry: MetricsRegistry) {
        registry.collect { families }
    }

    private var families: [MetricFamily] {
        [
            .family(
                .gauge, "sound_conversions",
                "Rooms whose sound is converted for viewers, by what their transcoder does.",
                by: "state",
                [
                    "running": UInt64(clamping: counters.running.load(ordering: .relaxed)),
                    "restarting": UInt64(clamping: counters.restarting.load(ordering: .relaxed)),
                ]),
            .counter("sound_restarts_total", "Transcoders that ended and were started again.", counters.restarts),
            .counter(
                "sound_refused_total", "Times that no transcoder was started because maxTranscoders ran.",
                counters.refused),
            .counter("sound_frames_total", "Frames of sound given to transcoders.", counters.frames),
            .counter(
                "sound_dropped_frames_total", "Frames that no transcoder took in time, or for want of one.",
                counters.droppedFrames),
            .counter("sound_damaged_frames_total", "Frames that could not be decoded.", counters.damagedFrames),
            .counter("sound_packets_total", "Opus packets that transcoders made.", counters.packets),
            .counter(
                "sound_malformed_replies_total", "Messages of transcoders that could not be read.",
                counters.malformedReplies),
        ]
    }
}
