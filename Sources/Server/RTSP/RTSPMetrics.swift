import RTSP
import Streams
import Synchronization
import Wire

/// What RTSP counts, gathered when somebody asks.
struct RTSPMetrics: Sendable {
    let service: RTSPService

    func attach(to registry: MetricsRegistry) {
        registry.collect { await families() }
    }

    private func families() async -> [MetricFamily] {
        var states = Dictionary(uniqueKeysWithValues: RTSPSessionState.allCases.map { ($0, 0) })
        let connections = service.all
        var sessions: [RTSPSessionQuality] = []
        for connection in connections.sorted(by: { $0.peerID.value < $1.peerID.value }) {
            let isListed = sessions.count < RTSPSessionQuality.maximumListed
            let (state, quality) = await connection.standing(withQuality: isListed)
            states[state, default: 0] += 1
            if let quality { sessions.append(quality) }
        }
        var readers = RTSPTrackOutput.Statistics()
        for entry in await service.directory.all {
            guard let bridge = await entry.room.bridge(RTSPReaders.self) else { continue }
            let statistics = await bridge.statistics
            readers.packets &+= statistics.packets
            readers.discarded &+= statistics.discarded
            readers.overflowed &+= statistics.overflowed
        }
        let groups = service.datagrams?.groups.count ?? 0
        let counters = service.counters
        var families: [MetricFamily] = [
            MetricFamily(
                name: "rtsp_conns", help: "Open RTSP connections.", kind: .gauge,
                samples: [MetricSample(Double(connections.count))]),
            MetricFamily(
                name: "rtsp_sessions", help: "RTSP connections by what they do.", kind: .gauge,
                samples: RTSPSessionState.allCases.map { state in
                    MetricSample(Double(states[state] ?? 0), labels: [MetricLabel("state", state.rawValue)])
                }),
            .gauge("rtsp_multicast_groups", "Multicast groups that RTSP readers have set up.", groups),
            .gauge("rtsp_tunnels", "RTSP clients that come through HTTP.", service.tunnels.count),
            .counter(
                "rtsp_connections_total", "RTSP connections accepted.", counters.accepted.load(ordering: .relaxed)),
            .counter("rtsp_refused_total", "RTSP connections over a bound.", counters.refused.load(ordering: .relaxed)),
            .counter(
                "rtsp_requests_total", "RTSP requests that did something.", counters.requests.load(ordering: .relaxed)),
            .counter(
                "rtsp_wrong_credentials_total", "RTSP requests with wrong credentials.",
                counters.failedAuthorizations.load(ordering: .relaxed)),
            .counter(
                "rtsp_undelayed_logins_total",
                "RTSP requests with wrong credentials that were refused at once, as enough others waited.",
                counters.failedLoginsUndelayed.load(ordering: .relaxed)),
            .counter(
                "rtsp_unread_answers_total", "RTSP clients ended because they read no answers.",
                counters.unreadReplies.load(ordering: .relaxed)),
            .gauge("rtsp_half_open", "RTSP connections without a complete request.", service.halfOpen.count),
            .family(
                .counter, "rtsp_half_open_ended_total",
                "RTSP connections ended before they asked for anything, by cause.",
                by: "outcome",
                [
                    "timeout": counters.halfOpenExpired.load(ordering: .relaxed),
                    "displaced": counters.halfOpenDisplaced.load(ordering: .relaxed),
                ]),
            .counter(
                "rtsp_srtp_rejected_total", "Packets from RTSP clients that were not encrypted as agreed.",
                counters.rejectedProtected.load(ordering: .relaxed)),
            .family(
                .counter, "rtsp_dropped_packets_total",
                "Packets of publishers and sources that went nowhere: no RTP, not announced, or come before.",
                by: "outcome",
                [
                    "malformed": counters.malformedMedia.load(ordering: .relaxed),
                    "unknown": counters.unknownMedia.load(ordering: .relaxed),
                    "duplicate": counters.duplicateMedia.load(ordering: .relaxed),
                ]),
            .family(
                .counter, "rtsp_oversized_packets_total",
                "Packets of publishers that were too large for a datagram, by what became of them.", by: "outcome",
                [
                    "cut": counters.oversizedCut.load(ordering: .relaxed),
                    "uncut": counters.oversizedUncut.load(ordering: .relaxed),
                ]),
            .family(
                .counter, "rtsp_talk_packets_total",
                "Packets that readers sent to cameras: sent on, refused while somebody else spoke, or dropped.",
                by: "outcome",
                [
                    "sent": service.backChannels.counters.sent.count,
                    "refused": service.backChannels.counters.refused.count,
                    "dropped": service.backChannels.counters.dropped.count,
                ]),
            .family(
                .counter, "rtsp_slow_readers_total",
                "How often readers fell behind and skipped to a keyframe, and how many were ended for it.",
                by: "outcome",
                [
                    "skipped": counters.slowReaderSkips.load(ordering: .relaxed),
                    "ended": counters.slowReadersEnded.load(ordering: .relaxed),
                ]),
            .counter(
                "rtsp_starts_abandoned_total",
                "Readers that wait for a keyframe, as they did not take, or could not be sent in time, what they began with.",
                counters.startsAbandoned.load(ordering: .relaxed)),
            .family(
                .gauge, "rtsp_reader_packets",
                "Packets that the readers of this moment were sent or lost, by what became of them.", by: "outcome",
                [
                    "sent": readers.packets, "discarded": readers.discarded,
                    "overflowed": readers.overflowed,
                ]),
        ]
        families += RTSPSessionQuality.families(of: sessions)
        if let receiver = service.datagrams?.receiver {
            let statistics = await receiver.statistics
            families.append(
                .family(
                    .counter, "rtsp_datagrams_total", "Datagrams received on the RTSP ports, by outcome.",
                    by: "outcome",
                    [
                        "received": statistics.datagrams, "unknown_source": statistics.unknownSource,
                        "mailbox_full": statistics.mailboxOverflow, "foreign_port": statistics.foreignPorts,
                    ]))
            families.append(
                .counter(
                    "rtsp_latched_ports_total",
                    "Publishers found behind another port than they announced, or followed to another one.",
                    statistics.latchedPorts))
        }
        return families
    }
}

/// What an RTSP connection does. Raw values are labels.
enum RTSPSessionState: String, Sendable, Hashable, CaseIterable { case idle, read, publish }

extension RTSPConnection {
    /// - Parameter withQuality: which costs a look through all of the room's readers.
    func standing(withQuality: Bool) -> (RTSPSessionState, RTSPSessionQuality?) { (state, withQuality ? quality : nil) }

    var state: RTSPSessionState {
        guard let session = machine.session, session.isActive else { return .idle }
        return session.role == .publisher ? .publish : .read
    }
}
