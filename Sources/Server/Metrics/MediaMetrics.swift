import HTTP
import Loop
import Streams
import WebRTC
import Wire

/// What media, rooms and sessions count, gathered when somebody asks.
struct MediaMetrics: Sendable {
    let service: WebRTCService
    let http: HTTPServer
    let limits: RequestLimits
    let feed: RoomsFeed
    let events: EventFeed

    func attach(to registry: MetricsRegistry) {
        registry.collect { await families() }
    }

    private func families() async -> [MetricFamily] {
        var sessions: [SessionSnapshot] = []
        var totals = Totals()
        var congestion = CongestionMetrics()
        let all = await service.registry.all
        for session in all {
            let transport = await session.peer.transport.snapshot
            totals.add(transport)
            if case .publisher(let publisher) = session.peer {
                totals.add(await publisher.drops)
                totals.add(await publisher.repairs)
            }
            let snapshot = SessionSnapshot(
                id: String(session.description.id.value), path: session.roomName,
                remoteAddress: (transport.selectedTuple?.remote ?? session.description.remote)?.description ?? "",
                role: session.role, inboundBytes: transport.bytesReceived, outboundBytes: transport.bytesSent,
                inboundPackets: transport.packetsReceived, outboundPackets: transport.packetsSent)
            sessions.append(snapshot)
            congestion.add(snapshot, transport.congestion)
        }
        var paths: [PathSnapshot] = []
        var heldBack: UInt64 = 0
        for entry in await service.directory.all {
            let room = await entry.room.snapshot
            heldBack &+= room.packetsHeldBack
            totals.viewerRepairs += room.repairs
            totals.add(room)
            paths.append(
                PathSnapshot(
                    name: room.name, isReady: room.publisher != nil, readers: room.viewers.count,
                    inboundBytes: room.bytesReceived, outboundBytes: room.bytesSent))
        }
        var families = MediaMTXMetrics.families(paths: paths, sessions: sessions)
        families += await demultiplexerFamilies()
        families += await streamFamilies()
        families += await handshakeFamilies()
        families += await senderFamilies()
        families += totals.families(heldBack: heldBack)
        families += congestion.families
        families.append(contentsOf: await serverFamilies(sessionCount: all.count))
        return families
    }

    private func demultiplexerFamilies() async -> [MetricFamily] {
        let demultiplexer = await service.media.demultiplexer.snapshot
        return [
            .counter("datagrams_received_total", "Datagrams received on the media port.", demultiplexer.datagrams),
            .counter("datagram_bytes_received_total", "Bytes of those datagrams.", demultiplexer.bytes),
            .family(
                .counter, "datagrams_dropped_total",
                "Datagrams that belonged to no session, by cause.",
                by: "reason",
                [
                    "unknown_tuple": demultiplexer.unknownTuple,
                    "unknown_ufrag": demultiplexer.unknownUfrag,
                    "unknown_kind": demultiplexer.unknownKind,
                    "limited_check": demultiplexer.limitedChecks,
                    "mailbox_full": demultiplexer.mailboxOverflow,
                ]),
            .family(
                .counter, "unknown_tuple_media_total",
                "What was done about media from unknown addresses: looks through the sessions (at most "
                    + "\(QuietSessions.looksPerSecond) per second), sessions tried (at most "
                    + "\(QuietSessions.maximumTrials) each), and datagrams for which no look was left.",
                by: "outcome",
                [
                    "look": demultiplexer.looks, "trial": demultiplexer.trials,
                    "limited": demultiplexer.limitedLooks,
                ]),
            .family(
                .counter, "ice_own_checks_total",
                "Unknown addresses a session's media came from: asked by the server, proved by it or by a check "
                    + "of the client's in the meantime, or not proved.",
                by: "outcome",
                [
                    "begun": demultiplexer.ownChecks, "proved": demultiplexer.provedByOwnChecks,
                    "failed": demultiplexer.failedOwnChecks,
                ]),
            .gauge("ice_tuples", "Address pairs mapped to sessions.", demultiplexer.tuples),
            .gauge(
                "ice_restarts_pending", "ICE restarts no check has followed yet.",
                demultiplexer.ufrags - demultiplexer.sessions),
            .gauge("ice_sessions", "Sessions that connectivity checks can reach.", demultiplexer.sessions),
        ]
    }

    private func handshakeFamilies() async -> [MetricFamily] {
        var queued: UInt64 = 0
        var dropped: UInt64 = 0
        for queue in service.media.handshakes {
            let statistics = await queue.statistics
            queued &+= statistics.queued
            dropped &+= statistics.dropped
        }
        return [
            .counter("handshake_datagrams_queued_total", "DTLS datagrams that waited for their turn.", queued),
            .counter("handshake_datagrams_dropped_total", "DTLS datagrams dropped as too many waited.", dropped),
        ]
    }

    private func senderFamilies() async -> [MetricFamily] {
        var sum = DatagramSender.Statistics()
        for arena in service.media.arenas { sum = sum + (await arena.statistics) }
        return [
            .counter("datagrams_sent_total", "Datagrams sent from the media port.", sum.datagrams),
            .counter("datagram_bytes_sent_total", "Bytes of those datagrams.", sum.bytes),
            .counter("send_system_calls_total", "System calls it took to send them.", sum.systemCalls),
            .family(
                .counter, "datagrams_unsent_total",
                "Datagrams that could not be sent, by cause.",
                by: "reason",
                [
                    "queue_full": sum.droppedQueueFull, "unsendable": sum.droppedUnsendable,
                ]),
        ]
    }

    private func serverFamilies(sessionCount: Int) async -> [MetricFamily] {
        let statistics = await http.statistics
        let refusals = await service.registry.refusals
        let counterOffers = await service.counterOffers.statistics
        var timers = 0
        for arena in service.media.arenas { timers += await arena.armedTimerCount }
        return [
            .gauge("sessions", "WHIP and WHEP sessions.", sessionCount),
            MetricFamily(
                name: MetricsRegistry.prefix + "sessions_refused_total",
                help: "Sessions refused, by the limit they met.", kind: .counter,
                samples: refusals.map {
                    MetricSample(Double($0.count), labels: [MetricLabel("reason", $0.limit.rawValue)])
                }),
            MetricFamily(
                name: MetricsRegistry.prefix + "offers_refused_total", help: "Offers that made no session.",
                kind: .counter,
                samples: service.refusals.counts.map {
                    MetricSample(
                        Double($0.count),
                        labels: [
                            MetricLabel("role", $0.kind.role.rawValue), MetricLabel("reason", $0.kind.reason.rawValue),
                        ])
                }),
            .gauge(
                "viewer_event_streams", "Event streams of viewers' sessions.", await service.viewerEvents.count),
            .gauge("counter_offers", "Counter-offers that wait for an answer.", await service.counterOffers.count),
            .family(
                .counter, "counter_offers_total",
                "Counter-offers to viewers, by what became of them.",
                by: "reason",
                [
                    "made": counterOffers.made, "answered": counterOffers.answered,
                    "expired": counterOffers.expired,
                ]),
            .gauge(
                "end_reasons_kept", "Reasons of ends, kept for clients that ask what became of their session.",
                service.endedSessions.count),
            .counter(
                "end_reasons_displaced_total", "Of those, forgotten before their time because too many came.",
                service.endedSessions.displaced),
            .gauge("http_connections", "Open HTTP connections.", statistics.connections),
            .counter("http_requests_total", "HTTP requests.", statistics.requests),
            .counter("http_connections_refused_total", "HTTP connections over a bound.", statistics.refused),
            .counter("http_requests_limited_total", "Requests answered with 429.", limits.limitedCount),
            .gauge(
                "feed_subscribers", "Clients listening to the rooms.",
                await feed.subscriberCount + events.subscriberCount),
            .counter(
                "feed_subscribers_refused_total", "Clients told to come back later, as too many listened.",
                await feed.refused &+ events.refused),
            .gauge(
                "feed_history_bytes",
                "Memory of the events kept for clients that come back, at most "
                    + "\(FeedHistory.maximumEntries) of them.", await events.historyBytes),
            .gauge("loop_timers", "Armed timers of the media loops.", timers),
        ]
    }

    /// Sums over the sessions that exist.
    private struct Totals {
        var transport = TransportDropCounters()
        var ingest = IngestDropCounters()
        var publisherRepairs = IngestRepairStatistics()
        var viewerRepairs = RepairStatistics()
        var unsendable: UInt64 = 0
        var overflowed: UInt64 = 0
        var fastStarts: UInt64 = 0
        var keyframeCacheBytes = 0
        var keyframeCacheOverflows: UInt64 = 0

        mutating func add(_ room: RoomSnapshot) {
            fastStarts &+= room.fastStarts
            keyframeCacheBytes += room.keyframeCacheBytes
            keyframeCacheOverflows &+= room.keyframeCacheOverflows
        }

        mutating func add(_ statistics: PeerTransport.Statistics) {
            transport.unvalidatedTuple += statistics.drops.unvalidatedTuple
            transport.beforeKeys += statistics.drops.beforeKeys
            transport.authenticationFailed += statistics.drops.authenticationFailed
            transport.replayed += statistics.drops.replayed
            transport.malformed += statistics.drops.malformed
            transport.tooManySources += statistics.drops.tooManySources
            unsendable &+= statistics.packetsUnsendable
            overflowed &+= statistics.packetsOverflowed
        }

        mutating func add(_ drops: IngestDropCounters) {
            ingest.malformed &+= drops.malformed
            ingest.unknownPayloadType &+= drops.unknownPayloadType
            ingest.unknownSource &+= drops.unknownSource
            ingest.duplicates &+= drops.duplicates
            ingest.probes &+= drops.probes
        }

        mutating func add(_ repairs: IngestRepairStatistics) {
            publisherRepairs.requested &+= repairs.requested
            publisherRepairs.repaired &+= repairs.repaired
            publisherRepairs.abandoned &+= repairs.abandoned
            publisherRepairs.retransmissions &+= repairs.retransmissions
        }

        func families(heldBack: UInt64) -> [MetricFamily] {
            [
                .family(
                    .gauge, "publisher_repairs",
                    "Packets that the publishers of this moment were asked to send again, by what became of it.",
                    by: "outcome",
                    [
                        "requested": publisherRepairs.requested,
                        "repaired": publisherRepairs.repaired,
                        "abandoned": publisherRepairs.abandoned,
                        "retransmissions": publisherRepairs.retransmissions,
                    ]),
                .family(
                    .gauge, "viewer_repairs",
                    "Packets that viewers of the rooms of this moment asked for again or were known to miss, "
                        + "by what became of it.",
                    by: "outcome",
                    [
                        "requested": viewerRepairs.requested, "answered": viewerRepairs.answered,
                        "suppressed": viewerRepairs.suppressed,
                        "over_budget": viewerRepairs.overBudget, "unasked": viewerRepairs.unasked,
                        "unanswerable": viewerRepairs.unanswerable,
                    ]),
                .gauge(
                    "keyframe_fast_starts", "Viewers of the rooms of this moment that began at a cached keyframe.",
                    Int(clamping: fastStarts)),
                .gauge(
                    "keyframe_cache_bytes", "Bytes of the packets from the cached keyframes on.",
                    keyframeCacheBytes),
                .gauge(
                    "keyframe_cache_overflows",
                    "Cached keyframes of the rooms of this moment that what followed them made useless.",
                    Int(clamping: keyframeCacheOverflows)),
                .family(
                    .gauge, "session_packets_dropped",
                    "Packets that the sessions of this moment dropped, by cause.",
                    by: "reason",
                    [
                        "unvalidated_tuple": UInt64(transport.unvalidatedTuple),
                        "before_keys": UInt64(transport.beforeKeys),
                        "authentication": UInt64(transport.authenticationFailed),
                        "replayed": UInt64(transport.replayed),
                        "malformed": UInt64(transport.malformed) &+ ingest.malformed,
                        "too_many_sources": UInt64(transport.tooManySources),
                        "unknown_payload_type": ingest.unknownPayloadType,
                        "unknown_source": ingest.unknownSource,
                        "duplicate": ingest.duplicates, "probe": ingest.probes,
                        "held_back": heldBack, "unsendable": unsendable,
                        "send_queue_full": overflowed,
                    ]),
            ]
        }
    }
}
