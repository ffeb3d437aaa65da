import Testing
import Wire

@testable import Server

/// Checks a text against the grammar of the Prometheus text format 0.0.4.
func expositionFaults(_ text: String) -> [String] {
    var faults: [String] = []
    var families: Set<String> = []
    var family = ""
    var series: Set<String> = []
    if !text.isEmpty, !text.hasSuffix("\n") { faults.append("no newline at the end") }
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
        if line.hasPrefix("# HELP ") {
            family = String(line.split(separator: " ")[2])
            if !families.insert(family).inserted { faults.append("\(family) twice") }
            if !MetricFamily.isValidName(family) { faults.append("bad name \(family)") }
        } else if line.hasPrefix("# TYPE ") {
            if !line.hasPrefix("# TYPE \(family) ") { faults.append("TYPE of another family: \(line)") }
        } else {
            guard let space = line.lastIndex(of: " "), Double(line[line.index(after: space)...]) != nil else {
                faults.append("no value: \(line)")
                continue
            }
            let key = String(line[..<space])
            if !series.insert(key).inserted { faults.append("twice: \(key)") }
            if !key.hasPrefix(family) { faults.append("outside its family: \(key)") }
            if let brace = key.firstIndex(of: "{"), key.last != "}" { faults.append("labels: \(key[brace...])") }
        }
    }
    return faults
}

@Suite struct MetricsTests {
    @Test func namesGetPrefixAndSuffixAndTypes() async {
        let registry = MetricsRegistry()
        let counter = registry.counter("udp_datagrams_received", help: "Datagrams.")
        counter.increment()
        counter.increment(by: 4)
        registry.gauge("loops", help: "Loops.").set(3)
        let text = await registry.render()
        #expect(
            text == """
                # HELP martlet_udp_datagrams_received_total Datagrams.
                # TYPE martlet_udp_datagrams_received_total counter
                martlet_udp_datagrams_received_total 5
                # HELP martlet_loops Loops.
                # TYPE martlet_loops gauge
                martlet_loops 3

                """)
        #expect(expositionFaults(text) == [])
    }

    @Test func oneNameAndLabelsAreOneMetric() {
        let registry = MetricsRegistry()
        let labels = [MetricLabel("reason", "x")]
        registry.counter("drops", help: "h", labels: labels).increment()
        registry.counter("drops", help: "h", labels: labels).increment()
        #expect(registry.counter("drops", help: "h", labels: labels).value == 2)
        #expect(registry.counter("drops", help: "h").value == 0)
    }

    @Test func shardsAddUp() async {
        let counter = MetricsRegistry().counter("packets", help: "h")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                let shard = counter.makeShard()
                group.addTask { for _ in 0..<10_000 { shard.increment() } }
                group.addTask { for _ in 0..<1_000 { counter.increment() } }
            }
        }
        #expect(counter.value == 44_000)
    }

    @Test func histogramsAccumulate() async {
        let registry = MetricsRegistry()
        let histogram = registry.histogram(
            "join_seconds", help: "h", bounds: [1, 0.1], labels: [MetricLabel("role", "viewer")])
        for value in [0.05, 0.1, 0.5, 2, .nan, .infinity] { histogram.observe(value) }
        let text = await registry.render()
        #expect(
            text == """
                # HELP martlet_join_seconds h
                # TYPE martlet_join_seconds histogram
                martlet_join_seconds_bucket{role="viewer",le="0.1"} 2
                martlet_join_seconds_bucket{role="viewer",le="1"} 3
                martlet_join_seconds_bucket{role="viewer",le="+Inf"} 4
                martlet_join_seconds_sum{role="viewer"} 2.65
                martlet_join_seconds_count{role="viewer"} 4

                """)
    }

    @Test func labelsAreEscaped() async {
        let registry = MetricsRegistry()
        registry.gauge("g", help: "a\\b\nc", labels: [MetricLabel("name", "x\"y\\z\nw")]).set(-1)
        let text = await registry.render()
        #expect(text.contains(#"# HELP martlet_g a\\b\nc"#))
        #expect(text.contains(#"martlet_g{name="x\"y\\z\nw"} -1"#))
        #expect(expositionFaults(text) == [])
    }

    @Test func seriesAreBounded() async {
        let registry = MetricsRegistry()
        for index in 0..<MetricsRegistry.maximumSeries + 50 {
            registry.counter("c", help: "h", labels: [MetricLabel("l", "\(index)")]).increment()
        }
        let text = await registry.render()
        #expect(text.contains("martlet_c_total{l=\"other\"} 50\n"))
    }

    @Test func aNameInUseForAnotherKindIsNotShown() async {
        let registry = MetricsRegistry()
        registry.gauge("a_total", help: "h").set(1)
        registry.counter("a", help: "h").increment()
        #expect(expositionFaults(await registry.render()) == [])
    }

    @Test func namesOfMediaMTXAreKept() async {
        let registry = MetricsRegistry()
        registry.collect {
            MediaMTXMetrics.families(
                paths: [
                    PathSnapshot(name: "cam1", isReady: true, readers: 2, inboundBytes: 10, outboundBytes: 20),
                    PathSnapshot(name: "cam2", isReady: false, readers: 0, inboundBytes: 0, outboundBytes: 0),
                ],
                sessions: [
                    SessionSnapshot(
                        id: "7", path: "cam1", remoteAddress: "192.0.2.1:5", role: .publisher, inboundBytes: 10),
                    SessionSnapshot(id: "8", path: "cam1", remoteAddress: "[::1]:5", role: .viewer, outboundBytes: 20),
                ])
        }
        let text = await registry.render()
        for line in [
            "paths{name=\"cam1\",state=\"ready\"} 1", "paths{name=\"cam2\",state=\"notReady\"} 1",
            "paths_readers{name=\"cam1\",state=\"ready\"} 2", "paths_inbound_bytes{name=\"cam1\",state=\"ready\"} 10",
            "webrtc_sessions{id=\"7\",path=\"cam1\",remoteAddr=\"192.0.2.1:5\",state=\"publish\"} 1",
            "webrtc_sessions_outbound_bytes{id=\"8\",path=\"cam1\",remoteAddr=\"[::1]:5\",state=\"read\"} 20",
        ] {
            #expect(text.contains("\n\(line)\n"), "\(line)")
        }
        #expect(expositionFaults(text) == [])
    }

    @Test func numbersAreWrittenAsPrometheusReadsThem() {
        let cases: [(Double, String)] = [
            (0, "0"), (1.5, "1.5"), (-2, "-2"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"),
            (1e300, "1e+300"),
            (4_294_967_296, "4294967296"),
        ]
        for (value, text) in cases { #expect(MetricFamily.number(value) == text) }
    }

    @Test func eventsAreCounted() async {
        let registry = MetricsRegistry()
        let hub = EventHub()
        let test = TestLog()
        MetricsSubscriber.attach(registry, to: hub, log: test.log)
        let peer = PeerDescription(id: PeerID(1), protocol: .whip)
        for event in [
            ServerEvent.roomCreated(room: "a"), .publisherStarted(room: "a", peer), .viewerJoined(room: "a", peer),
            .viewerJoined(room: "a", peer), .viewerLeft(room: "a", peer, .silent),
            .sessionFailed(room: "a", SessionFailure(role: .viewer, protocol: .whep, reason: .iceNeverConnected)),
            .publisherReplaced(room: "a", old: peer, new: peer),
            .publisherStopped(room: "a", peer, .left), .roomClosed(room: "a"),
        ] { hub.publish(event) }
        for _ in 0..<12 { test.logger.warn("junk received") }
        let text = await registry.render()
        for line in [
            "martlet_rooms 0", "martlet_publishers 0", "martlet_viewers 1",
            "martlet_events_total{event=\"viewerJoined\"} 2",
            "martlet_sessions_ended_total{role=\"viewer\",reason=\"silent\"} 1",
            "martlet_sessions_failed_total{role=\"viewer\",reason=\"iceNeverConnected\"} 1",
            "martlet_log_messages_lost_total{reason=\"suppressed\"} 2", "martlet_events_dropped_total 0",
        ] {
            #expect(text.contains("\n\(line)\n"), "\(line)")
        }
        #expect(expositionFaults(text) == [])
    }
}
