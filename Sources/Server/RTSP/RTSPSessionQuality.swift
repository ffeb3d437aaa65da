import RTSP
import Streams
import Wire

/// How well media of one session travels: counted here for publishers, as their reports say for readers (R20).
struct RTSPSessionQuality: Sendable {
    struct Link: Sendable {
        /// Received of a publisher, or sent to a reader.
        var packets: UInt64?
        /// What a slow reader was not sent.
        var discarded: UInt64?
        var lost: Int64?
        /// Of the latest report.
        var fractionLost: Double?
        /// Of the track where it is greatest.
        var jitterSeconds: Double?
        var roundTripSeconds: Double?
    }

    var id: String
    var path: String
    var remote: String
    var state: RTSPSessionState
    var link: Link

    /// Sessions that are shown one by one; with more, those that have been there longest.
    static let maximumListed = 500

    /// One line for each session, under the names that dashboards for MediaMTX ask for where there are such.
    static func families(of all: [RTSPSessionQuality]) -> [MetricFamily] {
        let listed = all.prefix(maximumListed)
        func family(
            _ name: String, _ help: String, _ state: RTSPSessionState?, _ value: (Link) -> Double?
        ) -> MetricFamily {
            let samples = listed.filter { state == nil || $0.state == state }.compactMap { session in
                value(session.link).map { MetricSample($0, labels: session.labels) }
            }
            return MetricFamily(name: name, help: help, kind: .gauge, samples: samples)
        }
        let own = MetricsRegistry.prefix + "rtsp_session_"
        return [
            family("rtsp_sessions_inbound_rtp_packets", "RTP packets of an RTSP publisher.", .publish) {
                $0.packets.map { Double($0) }
            },
            family("rtsp_sessions_inbound_rtp_packets_lost", "RTP packets that never came.", .publish) {
                $0.lost.map { Double($0) }
            },
            family("rtsp_sessions_inbound_rtp_packets_jitter", "Jitter of a publisher's packets, in seconds.", .publish)
            {
                $0.jitterSeconds
            },
            family("rtsp_sessions_outbound_rtp_packets", "RTP packets sent to an RTSP reader.", .read) {
                $0.packets.map { Double($0) }
            },
            family(
                "rtsp_sessions_outbound_rtp_packets_reported_lost", "RTP packets that a reader says it lost.", .read
            ) { $0.lost.map { Double($0) } },
            family("rtsp_sessions_outbound_rtp_packets_discarded", "RTP packets a slow reader was not sent.", .read) {
                $0.discarded.map { Double($0) }
            },
            family(own + "reported_jitter_seconds", "Jitter as a reader reports it.", .read) { $0.jitterSeconds },
            family(own + "reported_loss_ratio", "Share of packets lost, of a reader's latest report.", .read) {
                $0.fractionLost
            },
            family(own + "round_trip_seconds", "How long it takes to a reader and back.", .read) {
                $0.roundTripSeconds
            },
            MetricFamily(
                name: own + "unlisted", help: "RTSP sessions beyond those that are shown one by one.", kind: .gauge,
                samples: [MetricSample(Double(all.count - listed.count))]),
        ]
    }

    private var labels: [MetricLabel] {
        [
            MetricLabel("id", id), MetricLabel("path", path), MetricLabel("remoteAddr", remote),
            MetricLabel("state", state.rawValue),
        ]
    }
}

extension RTSPConnection {
    /// nil while nothing is played or recorded.
    var quality: RTSPSessionQuality? {
        guard let link = publishing?.quality ?? reading?.quality(of: peerID), state != .idle,
            let path = machine.session?.target.path
        else { return nil }
        return RTSPSessionQuality(
            id: peerID.description, path: path, remote: remoteAddress.description, state: state, link: link)
    }
}
