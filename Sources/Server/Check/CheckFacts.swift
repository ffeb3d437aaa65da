import Wire

/// Everything the self-test judges, copied out of the running server.
struct CheckFacts: Sendable {
    struct MediaSocket: Sendable {
        var address: SocketAddress
        var receiveBufferSize: Int
        /// Runs of datagrams are cut and joined by the kernel.
        var isSegmenting: Bool
        var isCoalescing: Bool
    }

    struct Limit: Sendable {
        /// The setting's name.
        var name: String
        var used: Int
        var limit: Int
    }

    /// A port that may be wanted and may have been had.
    struct Listener: Sendable {
        var settings: [String]
        var isWanted = false
        var addresses: [SocketAddress] = []
    }

    var client: SocketAddress
    /// Whether the request came over HTTPS, to here or to the proxy before.
    var isSecure = true
    var httpListeners: [SocketAddress] = []
    /// What else listens: with the settings that ask for it.
    var streams = Listener(settings: ["webrtcLocalTCPAddress"])
    var rtsp = Listener(settings: ["rtspAddress"])
    var rtsps = Listener(settings: ["rtspsAddress", "rtspServerCert", "rtspServerKey"])
    var metrics = Listener(settings: ["metricsAddress"])
    var sockets: [MediaSocket] = []
    var candidates: [SocketAddress] = []
    var datagramsReceived: UInt64 = 0
    /// Since a connectivity check came from the asking address over UDP; nil when none did within memory.
    var secondsSinceCheck: Int64?
    /// The same over TCP.
    var secondsSinceStreamCheck: Int64?
    var httpsSecondsLeft: Int?
    var dtlsSecondsLeft = 0
    var uptimeSeconds: Int64 = 0
    var wallMilliseconds: Int64 = 0
    /// How far the wall clock moved beyond what the monotonic one did since the start.
    var wallDriftMilliseconds: Int64 = 0
    var limits: [Limit] = []
    var datagramsDropped: UInt64 = 0
    var datagramsUnsent: UInt64 = 0
    /// Whether ``failures`` are everybody's, and not the client's alone.
    var isOperator = true
    /// The latest first.
    var failures: [CheckFailure] = []
}

extension CheckReport {
    /// 2025-01-01: no wall clock that is right shows less.
    private static let earliestWallMilliseconds: Int64 = 1_735_689_600_000
    private static let day = 86_400

    /// Judges the facts.
    init(_ facts: CheckFacts) {
        self.init(
            items: [
                Self.http(facts), Self.candidates(facts), Self.mediaPort(facts), Self.path(facts),
                Self.listener("tcp", "media over TCP", facts.streams), Self.listener("rtsp", "RTSP", facts.rtsp),
                Self.listener("rtsps", "RTSP over TLS", facts.rtsps),
                Self.listener("metrics", "metrics", facts.metrics),
                Self.sessions(facts), Self.https(facts), Self.dtls(facts), Self.clock(facts), Self.receiveBuffer(facts),
                Self.offload(facts), Self.limits(facts), Self.losses(facts),
            ], client: facts.client.host)
    }

    private static func list(_ addresses: [SocketAddress]) -> String {
        addresses.map(\.description).joined(separator: ", ")
    }

    private static func http(_ facts: CheckFacts) -> CheckItem {
        CheckItem(id: "http", status: .ok, what: "listening on \(list(facts.httpListeners))")
    }

    private static func listener(_ id: String, _ name: String, _ listener: CheckFacts.Listener) -> CheckItem {
        guard listener.isWanted else { return CheckItem(id: id, status: .ok, what: "\(name): off") }
        guard listener.addresses.isEmpty else {
            return CheckItem(id: id, status: .ok, what: "\(name): listening on \(list(listener.addresses))")
        }
        // The server runs without it, so it is no failure of the whole.
        return CheckItem(
            id: id, status: .warn, what: "\(name): wanted, and not listening",
            advice:
                "look into the log from the start of the server, and at \(listener.settings.joined(separator: ", "))")
    }

    // MARK: addresses

    private static func kind(_ address: SocketAddress) -> String {
        if address.isLoopback { return "this machine only" }
        if address.isLinkLocal { return "link-local" }
        return address.isPrivate ? "private" : "public"
    }

    /// Whether a client there can be expected to reach this address.
    private static func isUsable(_ candidate: SocketAddress, by client: SocketAddress) -> Bool {
        // This machine has whatever family the server has.
        client.isLoopback || candidate.isIPv6 == client.isIPv6 && isReachable(candidate, from: client)
    }

    private static func isReachable(_ candidate: SocketAddress, from client: SocketAddress) -> Bool {
        if client.isLoopback { return true }
        if candidate.isLoopback { return false }
        if candidate.isPrivate || candidate.isLinkLocal { return client.isPrivate || client.isLinkLocal }
        return true
    }

    private static func candidates(_ facts: CheckFacts) -> CheckItem {
        let usable = facts.candidates.filter { isUsable($0, by: facts.client) }
        var item = CheckItem(id: "candidates", status: .ok, what: "", isPublic: true)
        let count = facts.candidates.count
        item.what =
            "\(count) \(count == 1 ? "address is" : "addresses are") offered for media, "
            + "\(usable.count) of use to a client at \(facts.client.host)"
        let advice = "set webrtcAdditionalHosts to the address that clients reach this server by"
        if usable.isEmpty, facts.candidates.contains(where: { isReachable($0, from: facts.client) }) {
            let (own, other) = facts.client.isIPv6 ? ("IPv6", "IPv4") : ("IPv4", "IPv6")
            item.status = .warn
            item.advice = "only clients that have \(other) as well can connect; \(advice) over \(own)"
        } else if usable.isEmpty {
            item.status = .fail
            item.advice = advice
        } else if facts.candidates.allSatisfy(\.isLoopback) {
            item.status = .warn
            item.advice = "only clients on this machine can connect; " + advice
        } else if usable.allSatisfy({ isOfAnotherNetwork($0, than: facts.client) }) {
            item.status = .warn
            item.advice =
                "these are private addresses of another network than the client's, as in a container; unless there is a "
                + "route between the two, " + advice
        }
        return item
    }

    /// Whether both are private, of blocks that are rarely routed to each other.
    private static func isOfAnotherNetwork(_ candidate: SocketAddress, than client: SocketAddress) -> Bool {
        guard !client.isLoopback, candidate.isPrivate, client.isPrivate, !candidate.isIPv6, !client.isIPv6 else {
            return false
        }
        return privateBlock(candidate) != privateBlock(client)
    }

    /// Which of the private IPv4 ranges an address is of (RFC 1918, RFC 6598), by its beginning.
    private static func privateBlock(_ address: SocketAddress) -> UInt32 { address.ipv4 >> 24 }

    private static func mediaPort(_ facts: CheckFacts) -> CheckItem {
        let bound = list(facts.sockets.map(\.address))
        let offered = facts.candidates.map { "\($0) (\(kind($0)))" }.joined(separator: ", ")
        var item = CheckItem(
            id: "udp", status: .ok,
            what: "bound to \(bound), offered as \(offered); \(facts.datagramsReceived) datagrams received")
        if facts.sockets.isEmpty {
            item.status = .fail
            item.advice = "no UDP port is open; see the log from the start of the server"
        } else if facts.datagramsReceived == 0 {
            item.status = .warn
            item.advice =
                "nothing has arrived since the start \(facts.uptimeSeconds) s ago; when somebody tried to connect, a "
                + "firewall or a port mapping (docker -p …/udp) keeps UDP out"
        }
        return item
    }

    private static func path(_ facts: CheckFacts) -> CheckItem {
        var item = CheckItem(id: "path", status: .ok, what: "", isPublic: true)
        if let seconds = facts.secondsSinceCheck {
            item.what = "a connectivity check from \(facts.client.host) arrived \(seconds) s ago: UDP gets through"
        } else if let seconds = facts.secondsSinceStreamCheck {
            item.what =
                "a connectivity check from \(facts.client.host) arrived \(seconds) s ago over TCP, and none over UDP"
            item.status = .warn
            item.advice =
                "UDP is blocked on the way: media goes over TCP, where every loss makes it wait; let UDP through to the "
                + "port of webrtcLocalUDPAddress"
        } else {
            item.what = "no connectivity check from \(facts.client.host) has arrived"
            item.status = .warn
            item.advice =
                "open a room in a browser there and ask again; when it still says this, UDP is blocked on the way, or the "
                + "client sends media by another address than HTTP"
        }
        return item
    }

    private static func sessions(_ facts: CheckFacts) -> CheckItem {
        let whose = facts.isOperator ? "" : " from \(facts.client.host)"
        var item = CheckItem(
            id: "sessions", status: .ok, what: "no session\(whose) has failed in the last hour", isPublic: true,
            failures: facts.failures)
        // Viewers that wait for a publisher are listed, and no failures.
        let failed = facts.failures.filter(\.failure.reason.isFailure)
        guard let latest = failed.first else { return item }
        let count = failed.reduce(0) { $0 + $1.count }
        item.what =
            "\(count) \(count == 1 ? "session\(whose) has" : "sessions\(whose) have") failed in the last hour, "
            + "the latest \(latest.secondsAgo) s ago"
        guard latest.secondsAgo < FailureBook.recentSeconds else { return item }
        item.status = .warn
        item.advice = latest.failure.advice ?? "the log of the server says more"
        return item
    }

    // MARK: certificates and clock

    private static func https(_ facts: CheckFacts) -> CheckItem {
        var item = CheckItem(id: "https", status: .ok, what: "", isPublic: true)
        guard let left = facts.httpsSecondsLeft else {
            item.what = facts.isSecure ? "HTTPS ends at a proxy" : "plain HTTP"
            guard !facts.isSecure, !facts.client.isLoopback else { return item }
            item.status = .warn
            item.advice =
                "browsers lend camera and screen to HTTPS pages only; set webrtcEncryption: yes to publish from one"
            return item
        }
        item.what = left < 0 ? "the certificate has expired" : "the certificate is valid for \(left / day) more days"
        if left < 14 * day {
            item.status = left < 0 ? .fail : .warn
            item.advice = "renew the certificate and send SIGHUP"
        }
        return item
    }

    private static func dtls(_ facts: CheckFacts) -> CheckItem {
        let left = facts.dtlsSecondsLeft
        var item = CheckItem(
            id: "dtls", status: .ok, what: "the media certificate is valid for \(left / day) more days")
        if left < 30 * day {
            item.status = left < 0 ? .fail : .warn
            item.advice = "restart the server; it makes a new certificate at every start"
        }
        return item
    }

    private static func clock(_ facts: CheckFacts) -> CheckItem {
        var item = CheckItem(
            id: "clock", status: .ok, what: "the wall clock runs as the monotonic one does", isPublic: true)
        if facts.wallMilliseconds < earliestWallMilliseconds {
            item.status = .fail
            item.what = "the wall clock shows a time long past"
            item.advice = "set the clock; run an NTP client (systemd-timesyncd, chrony)"
        } else if abs(facts.wallDriftMilliseconds) > max(2_000, facts.uptimeSeconds / 2) {
            // NTP may slew by 0.5 ms per second.
            item.status = .warn
            item.what =
                "the wall clock moved by \(facts.wallDriftMilliseconds) ms against the monotonic one since the start"
            item.advice = "something sets the clock in steps; sender reports and logs jump with it"
        }
        return item
    }

    // MARK: kernel and limits

    private static func receiveBuffer(_ facts: CheckFacts) -> CheckItem {
        let smallest = facts.sockets.map(\.receiveBufferSize).min() ?? 0
        var item = CheckItem(id: "receive-buffer", status: .ok, what: "\(smallest / 1024) KiB for the media port")
        if smallest < 1 << 20 {
            item.status = .warn
            item.advice = "bursts of many publishers are lost in the kernel: sysctl -w net.core.rmem_max=8388608"
        }
        return item
    }

    private static func offload(_ facts: CheckFacts) -> CheckItem {
        let sends = facts.sockets.allSatisfy(\.isSegmenting)
        let receives = facts.sockets.allSatisfy(\.isCoalescing)
        var item = CheckItem(
            id: "offload", status: .ok,
            what: "UDP segmentation \(sends ? "on" : "off"), UDP coalescing \(receives ? "on" : "off")")
        if !sends || !receives {
            item.status = .warn
            item.advice = "the kernel or the network card does without; a packet then costs about twice as much"
        }
        return item
    }

    private static func limits(_ facts: CheckFacts) -> CheckItem {
        let near = facts.limits.filter { $0.limit > 0 && $0.used * 10 >= $0.limit * 9 }
        let shown = near.isEmpty ? facts.limits : near
        var item = CheckItem(
            id: "limits", status: .ok,
            what: shown.map { "\($0.name) \($0.used) of \($0.limit)" }.joined(separator: ", "))
        if !near.isEmpty {
            item.status = near.contains { $0.used >= $0.limit } ? .fail : .warn
            item.advice = "raise the limit or add a server"
        }
        return item
    }

    private static func losses(_ facts: CheckFacts) -> CheckItem {
        var item = CheckItem(
            id: "losses", status: .ok,
            what: "\(facts.datagramsDropped) datagrams dropped on the way in, \(facts.datagramsUnsent) on the way out")
        if facts.datagramsDropped + facts.datagramsUnsent > 0 {
            item.status = .warn
            item.advice =
                "the machine or its network did not keep up; look at the load and at martlet_datagrams_ metrics"
        }
        return item
    }
}
