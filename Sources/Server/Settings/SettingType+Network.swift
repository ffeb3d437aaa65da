public import Wire

/// Where a server listens: an address, or every address of the machine when `host` is nil.
public struct ListenAddress: Hashable, Sendable, CustomStringConvertible {
    /// The address without its port (which is 0 here); nil for all addresses of both families.
    public var host: SocketAddress?
    /// 0 asks the system for a free port.
    public var port: UInt16

    public init(host: SocketAddress? = nil, port: UInt16) {
        self.host = host?.withPort(0)
        self.port = port
    }

    /// Reads `:8889`, `127.0.0.1:8889`, `[::1]:8889`, `localhost:8889`.
    public init?(_ text: String) {
        guard text.utf8.count <= 64, let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }), let port = UInt16(digits) else {
            return nil
        }
        var host = text[..<colon]
        if host.isEmpty {
            self.init(port: port)
            return
        }
        if host == "localhost" { host = "127.0.0.1" }
        if host.contains(":") {
            guard host.first == "[", host.last == "]" else { return nil }
            host = host.dropFirst().dropLast()
        }
        guard let address = SocketAddress(host: host, port: 0) else { return nil }
        self.init(host: address, port: port)
    }

    public var isLoopback: Bool { host?.isLoopback ?? false }
    /// Whether it accepts from every network of the machine.
    public var isUnspecified: Bool { host?.isUnspecified ?? true }

    public var description: String { host.map { $0.withPort(port).description } ?? ":\(port)" }
}

/// A range of addresses such as `10.0.0.0/8`; an address without a length is a range of one.
public struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    public let base: SocketAddress
    public let prefixLength: Int

    private init(_ base: SocketAddress, prefixLength: Int) {
        self.base = base
        self.prefixLength = prefixLength
    }

    /// 224.1.0.0/16
    static let multicastGroups = AddressRange(SocketAddress(ipv4: 0xE001_0000, port: 0), prefixLength: 16)

    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = SocketAddress(host: first, port: 0) else { return nil }
        let width = address.isIPv6 ? 128 : 32
        var length = width
        if parts.count == 2 {
            guard parts[1].first != "+", let value = Int(parts[1]), (0...width).contains(value) else { return nil }
            length = value
        }
        base = address
        prefixLength = length
    }

    public func contains(_ address: SocketAddress) -> Bool {
        guard address.isIPv6 == base.isIPv6 else { return false }
        guard base.isIPv6 else {
            return prefixLength == 0 || (address.ipv4 ^ base.ipv4) >> UInt32(32 - prefixLength) == 0
        }
        guard prefixLength > 64 else {
            return prefixLength == 0 || (address.high ^ base.high) >> UInt64(64 - prefixLength) == 0
        }
        return address.high == base.high && (address.low ^ base.low) >> UInt64(128 - prefixLength) == 0
    }

    public var description: String { "\(base.host)/\(prefixLength)" }
}

/// A STUN or TURN server that clients are told about.
public struct ICEServerSettings: Hashable, Sendable {
    /// `stun:host:port`, `turn:host:port?transport=udp` or `turns:…` (RFC 7064, RFC 7065).
    public var url: String
    public var username: String
    public var password: Redacted<String>

    public init(url: String, username: String = "", password: String = "") {
        self.url = url
        self.username = username
        self.password = Redacted(password)
    }

    static let schemes = ["stun", "stuns", "turn", "turns"]

    /// Reads the older single-string form `turn:user:password:host:port`.
    init?(oldForm text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard let scheme = parts.first, Self.schemes.contains(scheme) else { return nil }
        if parts.count == 5 {
            self.init(url: "\(scheme):\(parts[3]):\(parts[4])", username: parts[1], password: parts[2])
        } else {
            self.init(url: text)
        }
    }
}

extension SettingType<ListenAddress> {
    static let listenAddress = SettingType(
        name: "address and port", accepted: "such as :8889, 127.0.0.1:8889 or [::1]:8889",
        read: { (node) throws(SettingFault) in
            guard let value = ListenAddress(try node.scalar()) else {
                throw SettingFault("\(node.summary) is not an address and port")
            }
            return value
        }, write: { $0.description.yamlListenText })
}

extension String {
    fileprivate var yamlListenText: String { first == "[" || first == ":" ? "'\(self)'" : self }
}

extension SettingType<AddressRange> {
    static let addressRange = SettingType(
        name: "addresses", accepted: "such as 192.0.2.1, 10.0.0.0/8 or fd00::/8",
        read: { (node) throws(SettingFault) in
            guard let value = AddressRange(try node.scalar()) else {
                throw SettingFault("\(node.summary) is not an address range")
            }
            return value
        }, write: { $0.description.yamlText })
}

extension SettingType<AddressRange> {
    static let multicastRange = SettingType(
        name: "addresses", accepted: "multicast groups of IPv4, such as 224.1.0.0/16",
        read: { (node) throws(SettingFault) in
            let value = try addressRange.read(node)
            guard value.base.isMulticast, !value.base.isIPv6, (4...30).contains(value.prefixLength) else {
                throw SettingFault("\(node.summary) is not a range of IPv4 multicast groups")
            }
            return value
        }, write: { $0.description.yamlText })
}

extension SettingType<ICEServerSettings> {
    static let iceServer = SettingType(
        name: "maps of url, username, password", accepted: "url such as stun:host:3478 or turns:host:443",
        elementKeys: ["url", "username", "password", "clientOnly"],
        read: { (node) throws(SettingFault) in
            var server = ICEServerSettings(url: "")
            guard case .map(let entries) = node.content else {
                guard let server = ICEServerSettings(oldForm: try node.scalar()) else {
                    throw SettingFault("\(node.summary) is not an ICE server")
                }
                return server
            }
            for entry in entries {
                let text = try entry.value.scalar()
                guard text.utf8.count <= 1_024, !text.unicodeScalars.contains(where: \.isUnprintable) else {
                    throw SettingFault(
                        "\(entry.key) is too long or contains control characters", at: entry.value.origin)
                }
                switch entry.key {
                case "url": server.url = text
                case "username": server.username = text
                case "password": server.password = Redacted(text)
                // Every ICE server is for clients only: a lite agent gathers nothing.
                case "clientOnly": _ = try SettingType<Bool>.boolean.read(entry.value)
                default:
                    throw SettingFault("unknown key '\(entry.key.escapedForDisplay(limit: 80))'", at: entry.keyOrigin)
                }
            }
            let scheme = server.url.prefix { $0 != ":" }
            guard ICEServerSettings.schemes.contains(String(scheme)), server.url.utf8.count > scheme.utf8.count + 1
            else { throw SettingFault("'\(server.url.escapedForDisplay(limit: 80))' is not a STUN or TURN URL") }
            return server
        },
        write: { "{url: \($0.url.yamlText), username: \($0.username.yamlText)}" })
}
