public import RTSP
public import Secure

/// How media of a source comes from its server.
public enum RTSPPullTransport: String, Sendable, CaseIterable { case automatic, udp, multicast, tcp }

/// UDP ports, both ends included.
public struct PortRange: Sendable, Hashable {
    public var first: UInt16
    public var last: UInt16

    public init(first: UInt16, last: UInt16) {
        self.first = first
        self.last = last
    }
}

/// A server that a path's media is pushed to.
public struct ForwardTarget: Sendable, Hashable {
    public enum Transport: String, Sendable, CaseIterable { case tcp, udp }

    public var url: RTSPURL
    public var transport = Transport.tcp
    /// What the server's certificate has to be; nil when the system's authorities decide.
    public var fingerprint: CertificateFingerprint?

    public init(url: RTSPURL) { self.url = url }

    /// The target for the path called `name`.
    func url(forPath name: String) -> RTSPURL {
        var url = url
        let parts = url.resource.split(separator: "$MTX_PATH", omittingEmptySubsequences: false)
        url.resource = parts.joined(separator: name)
        return url
    }
}

extension SettingType<PortRange> {
    /// Fewer ports than a source with two tracks needs make no range.
    private static let fewestPorts = 8

    static let portRange = SettingType(
        name: "two ports", accepted: "such as [10000, 65535], at least \(fewestPorts) apart",
        read: { (node) throws(SettingFault) in
            let ports = try SettingType<[Int]>.list(of: .integer(1_024...65_535)).read(node)
            guard ports.count == 2, ports[1] - ports[0] >= fewestPorts else {
                throw SettingFault("\(node.summary) is not a first and a last port")
            }
            return PortRange(first: UInt16(ports[0]), last: UInt16(ports[1]))
        }, write: { "[\($0.first), \($0.last)]" })
}

extension SettingType<CertificateFingerprint?> {
    static let fingerprint = SettingType(
        name: "fingerprint", accepted: "64 hexadecimal digits, with or without colons",
        read: { (node) throws(SettingFault) in
            let text = try node.scalar()
            guard !text.isEmpty else { return nil }
            guard let value = CertificateFingerprint(sha256: text) else {
                throw SettingFault("\(node.summary) is not a SHA-256 fingerprint")
            }
            return value
        },
        write: { ($0?.bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() ?? "").yamlText })
}

extension CertificateFingerprint {
    init?(sha256 text: String) {
        let digits = Array(text.utf8).filter { $0 != UInt8(ascii: ":") }
        guard digits.count == 64 else { return nil }
        let pairs = stride(from: 0, to: 64, by: 2).map { String(decoding: digits[$0..<$0 + 2], as: UTF8.self) }
        self.init(name: Algorithm.sha256.rawValue, value: pairs.joined(separator: ":"))
    }
}

extension SettingType<ForwardTarget> {
    static let forwardTarget = SettingType(
        name: "URLs, or maps of url, transport, fingerprint",
        accepted: "url such as rtsp://user:password@host/path or rtsps://host/$MTX_PATH, transport tcp or udp",
        elementKeys: ["url", "transport", "fingerprint"],
        read: { (node) throws(SettingFault) in
            guard case .map(let entries) = node.content else { return ForwardTarget(url: try url(node)) }
            guard let first = entries.first(where: { $0.key == "url" }) else {
                throw SettingFault("\(node.summary) has no url")
            }
            var target = ForwardTarget(url: try url(first.value))
            for entry in entries {
                switch entry.key {
                case "url": break
                case "transport": target.transport = try SettingType<ForwardTarget.Transport>.choice().read(entry.value)
                case "fingerprint":
                    target.fingerprint = try SettingType<CertificateFingerprint?>.fingerprint.read(entry.value)
                default:
                    throw SettingFault("unknown key '\(entry.key.escapedForDisplay(limit: 80))'", at: entry.keyOrigin)
                }
            }
            guard target.transport == .tcp || !target.url.isSecure else {
                throw SettingFault("rtsps:// is pushed to over TCP only")
            }
            return target
        },
        // Without user and password.
        write: { "{url: '\($0.url.text)', transport: \($0.transport.rawValue)}" })

    private static func url(_ node: SettingNode) throws(SettingFault) -> RTSPURL {
        let text = try node.scalar()
        guard text.hasPrefix("rtsp://") || text.hasPrefix("rtsps://") else {
            throw SettingFault("only rtsp:// and rtsps:// can be pushed to in this version")
        }
        guard let url = RTSPURL(text) else { throw SettingFault("the URL cannot be read") }
        return url
    }
}
