/// Why a header field could not be understood; the answer is 400.
public struct RTSPHeaderError: Error, Hashable, Sendable {
    public var problem: String
    public init(_ problem: String) { self.problem = problem }
}

/// The ports of RTP and RTCP.
public struct RTSPPortPair: Hashable, Sendable {
    public var rtp: UInt16
    public var rtcp: UInt16

    public init(rtp: UInt16, rtcp: UInt16) {
        self.rtp = rtp
        self.rtcp = rtcp
    }

    var text: String { "\(rtp)-\(rtcp)" }

    func overlaps(_ other: RTSPPortPair) -> Bool { [rtp, rtcp].contains { $0 == other.rtp || $0 == other.rtcp } }
}

/// Where a track is sent to all of its multicast readers.
public struct RTSPMulticastGroup: Hashable, Sendable {
    public var address: String
    public var ports: RTSPPortPair
    public var timeToLive: UInt8

    public init(address: String, ports: RTSPPortPair, timeToLive: UInt8) {
        self.address = address
        self.ports = ports
        self.timeToLive = timeToLive
    }
}

/// One alternative of a Transport field (RFC 2326, section 12.39), or the one a server chose.
public struct RTSPTransport: Hashable, Sendable {
    public enum Lower: Hashable, Sendable { case udp, tcp }
    public enum Mode: Hashable, Sendable { case play, record }

    /// The channels of RTP and RTCP inside the connection; some clients leave RTCP out.
    public struct Channels: Hashable, Sendable {
        public var rtp: UInt8
        public var rtcp: UInt8?

        public init(rtp: UInt8, rtcp: UInt8?) {
            self.rtp = rtp
            self.rtcp = rtcp
        }

        func overlaps(_ other: Channels) -> Bool {
            let own = [rtp, rtcp].compactMap { $0 }
            return own.contains(other.rtp) || other.rtcp.map { own.contains($0) } ?? false
        }
    }

    public var lower: Lower
    /// Whether the profile asks for SRTP.
    public var isSecure = false
    public var hasFeedback = false
    public var isMulticast = false
    public var clientPorts: RTSPPortPair?
    public var serverPorts: RTSPPortPair?
    /// The ports of a multicast group.
    public var ports: RTSPPortPair?
    public var channels: Channels?
    public var destination: String?
    public var source: String?
    public var timeToLive: UInt8?
    public var ssrc: UInt32?
    public var mode: Mode?

    public init(_ lower: Lower) { self.lower = lower }

    /// How the packets travel.
    public var delivery: RTSPDelivery { lower == .tcp ? .tcp : isMulticast ? .multicast : .udp }

    /// The same, to a group that a server chose.
    func moved(to group: RTSPMulticastGroup) -> RTSPTransport {
        var transport = self
        transport.destination = group.address
        transport.ports = group.ports
        transport.timeToLive = group.timeToLive
        transport.clientPorts = nil
        transport.serverPorts = nil
        transport.channels = nil
        return transport
    }

    /// The alternatives in the client's order. Those over protocols other than RTP are left out; a known parameter with
    /// an impossible value is an error, unknown parameters are not.
    public static func alternatives(_ text: String) throws(RTSPHeaderError) -> [RTSPTransport] {
        var alternatives: [RTSPTransport] = []
        for part in text.splitOutsideQuotes(",").prefix(maximumAlternatives) {
            if let transport = try RTSPTransport(alternative: part.trimmingBlanks) { alternatives.append(transport) }
        }
        return alternatives
    }

    /// What a server chose, as its answer says. Ports that cannot be, such as the 0 of cameras that send from any, count as
    /// not named (RTSP-46).
    static func answer(_ text: String) -> RTSPTransport? {
        for part in text.splitOutsideQuotes(",").prefix(maximumAlternatives) {
            if let transport = try? RTSPTransport(alternative: part.trimmingBlanks, isAnswer: true) { return transport }
        }
        return nil
    }

    private static let maximumAlternatives = 16

    /// nil when it is not RTP over UDP or TCP.
    private init?(alternative: Substring, isAnswer: Bool = false) throws(RTSPHeaderError) {
        let parts = alternative.splitOutsideQuotes(";")
        switch parts[0].trimmingBlanks.uppercased() {
        case "RTP/AVP", "RTP/AVP/UDP": self.init(.udp)
        case "RTP/AVP/TCP": self.init(.tcp)
        case "RTP/AVPF", "RTP/AVPF/UDP":
            self.init(.udp)
            hasFeedback = true
        case "RTP/AVPF/TCP":
            self.init(.tcp)
            hasFeedback = true
        case "RTP/SAVP", "RTP/SAVP/UDP", "RTP/SAVPF", "RTP/SAVPF/UDP":
            self.init(.udp)
            isSecure = true
            hasFeedback = parts[0].utf8.contains(UInt8(ascii: "F")) || parts[0].utf8.contains(UInt8(ascii: "f"))
        case "RTP/SAVP/TCP", "RTP/SAVPF/TCP":
            self.init(.tcp)
            isSecure = true
            hasFeedback = parts[0].utf8.contains(UInt8(ascii: "F")) || parts[0].utf8.contains(UInt8(ascii: "f"))
        default: return nil
        }
        for part in parts.dropFirst() { try apply(part.trimmingBlanks, isAnswer) }
    }

    private mutating func apply(_ parameter: Substring, _ isAnswer: Bool) throws(RTSPHeaderError) {
        let pair = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = (pair.first ?? "").trimmingBlanks.lowercased()
        let value = pair.count > 1 ? pair[1].trimmingBlanks.unquoted : ""
        switch name {
        case "multicast": isMulticast = true
        case "unicast": isMulticast = false
        case "client_port": clientPorts = isAnswer ? try? Self.ports(value, name) : try Self.ports(value, name)
        case "server_port": serverPorts = isAnswer ? try? Self.ports(value, name) : try Self.ports(value, name)
        case "port": ports = isAnswer ? try? Self.ports(value, name) : try Self.ports(value, name)
        case "interleaved": channels = try Self.channels(value)
        case "destination": destination = value.isEmpty ? nil : String(value)
        case "source": source = value.isEmpty ? nil : String(value)
        case "ttl": timeToLive = value.decimal(upTo: 255).map { UInt8($0) }
        case "ssrc": ssrc = Self.ssrc(value.trimmingBlanks)
        case "mode": mode = Self.mode(value)
        default: break
        }
    }

    /// `3456-3457`, or the first port alone.
    private static func ports(_ value: Substring, _ name: String) throws(RTSPHeaderError) -> RTSPPortPair {
        let parts = value.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first?.trimmingBlanks.decimal(upTo: 65_535), first > 0 else {
            throw RTSPHeaderError("\(name) is not a port or a pair of ports from 1 to 65535")
        }
        let second = parts.count == 2 ? parts[1].trimmingBlanks.decimal(upTo: 65_535) : first + 1
        guard let second, second > 0, second <= 65_535 else {
            throw RTSPHeaderError("\(name) is not a port or a pair of ports from 1 to 65535")
        }
        return RTSPPortPair(rtp: UInt16(first), rtcp: UInt16(second))
    }

    private static func channels(_ value: Substring) throws(RTSPHeaderError) -> Channels {
        let parts = value.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count <= 2, let first = parts.first?.trimmingBlanks.decimal(upTo: 255) else {
            throw RTSPHeaderError("interleaved is not a pair of channels from 0 to 255")
        }
        guard parts.count == 2 else {
            return Channels(rtp: UInt8(first), rtcp: first < 255 ? UInt8(first + 1) : nil)
        }
        guard let second = parts[1].trimmingBlanks.decimal(upTo: 255), second != first else {
            throw RTSPHeaderError("interleaved is not a pair of two channels from 0 to 255")
        }
        return Channels(rtp: UInt8(first), rtcp: UInt8(second))
    }

    /// Up to eight hexadecimal digits; longer values, which are decimal, are passed over.
    private static func ssrc(_ value: Substring) -> UInt32? {
        value.utf8.count <= 8 ? UInt32(value, radix: 16) : nil
    }

    private static func mode(_ value: Substring) -> Mode? {
        switch value.trimmingBlanks.lowercased() {
        case "play": .play
        case "record", "receive": .record
        default: nil
        }
    }

    /// As it stands in a request or an answer.
    public var text: String {
        var text = (isSecure ? "RTP/SAVP" : "RTP/AVP") + (hasFeedback ? "F" : "")
        if lower == .tcp { text += "/TCP" }
        text += isMulticast ? ";multicast" : ";unicast"
        if let destination { text += ";destination=\(destination)" }
        if let source { text += ";source=\(source)" }
        if let ports { text += ";port=\(ports.text)" }
        if let timeToLive { text += ";ttl=\(timeToLive)" }
        if let clientPorts { text += ";client_port=\(clientPorts.text)" }
        if let serverPorts { text += ";server_port=\(serverPorts.text)" }
        if let channels { text += ";interleaved=\(channels.rtp)" + (channels.rtcp.map { "-\($0)" } ?? "") }
        if let ssrc {
            let digits = String(ssrc, radix: 16, uppercase: true)
            text += ";ssrc=" + String(repeating: "0", count: 8 - digits.utf8.count) + digits
        }
        if let mode { text += mode == .play ? ";mode=play" : ";mode=record" }
        return text
    }
}
