public import Wire

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.
public struct AddressRange: Sendable, Hashable {
    private let address: SocketAddress
    private let prefixLength: Int

    /// Reads a literal address with an optional prefix length; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let address = SocketAddress(host: parts[0], port: 0) else { return nil }
        // A v4-mapped range is held as the IPv4 range it means.
        let isMapped = parts[0].utf8.contains(UInt8(ascii: ":")) && !address.isIPv6
        let width = address.isIPv6 ? 128 : 32
        var length = width
        if parts.count == 2 {
            guard (1...3).contains(parts[1].utf8.count), parts[1].utf8.allSatisfy(HTTPSyntax.isDigit),
                var written = Int(parts[1])
            else { return nil }
            if isMapped { written -= 96 }
            guard (0...width).contains(written) else { return nil }
            length = written
        }
        self.address = address
        prefixLength = length
    }

    public func contains(_ other: SocketAddress) -> Bool {
        guard other.isIPv6 == address.isIPv6 else { return false }
        guard address.isIPv6 else {
            return prefixLength == 0 || (address.ipv4 ^ other.ipv4) >> UInt32(32 - prefixLength) == 0
        }
        let high = address.high ^ other.high
        let low = address.low ^ other.low
        if prefixLength == 0 { return true }
        if prefixLength <= 64 { return high >> UInt64(64 - prefixLength) == 0 }
        return high == 0 && low >> UInt64(128 - prefixLength) == 0
    }
}

/// The proxies whose word on who the client is counts. Anyone else's X-Forwarded fields are ignored.
public struct TrustedProxies: Sendable, Hashable {
    public var ranges: [AddressRange]

    public init(_ ranges: [AddressRange] = []) { self.ranges = ranges }

    public func contains(_ address: SocketAddress) -> Bool { ranges.contains { $0.contains(address) } }

    /// Replaces the request's address, and whether it is secure, by what trusted proxies said.
    ///
    /// Each proxy appends the address it was called from, so the list is read from the right, as long as the reader's own
    /// source is trusted. The result is the rightmost address no trusted proxy has: the left part is the client's to
    /// invent. A forwarded port is kept; without one the port is 0.
    public func resolve(_ request: inout HTTPRequest) {
        guard contains(request.remoteAddress) else { return }
        for hop in request.headers.listElements("X-Forwarded-For").reversed() {
            guard contains(request.remoteAddress), let address = Self.address(hop) else { break }
            request.remoteAddress = address
        }
        if let scheme = request.headers.listElements("X-Forwarded-Proto").last {
            request.isSecure = HTTPSyntax.equalIgnoringCase(scheme, "https")
        }
    }

    /// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
    static func address(_ text: String) -> SocketAddress? {
        if let plain = SocketAddress(host: text, port: 0) { return plain }
        let bytes = Array(text.utf8)
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")) else { return bracketed(bytes[...], port: 0) }
        let digits = bytes[(colon + 1)...]
        guard (1...5).contains(digits.count), digits.allSatisfy(HTTPSyntax.isDigit),
            let port = UInt16(String(decoding: digits, as: UTF8.self))
        else { return bracketed(bytes[...], port: 0) }
        let host = String(decoding: bytes[..<colon], as: UTF8.self)
        return bracketed(bytes[..<colon], port: port)
            ?? (host.utf8.contains(UInt8(ascii: ":")) ? nil : SocketAddress(host: host, port: port))
    }

    private static func bracketed(_ bytes: ArraySlice<UInt8>, port: UInt16) -> SocketAddress? {
        guard bytes.count > 2, bytes.first == UInt8(ascii: "["), bytes.last == UInt8(ascii: "]") else { return nil }
        return SocketAddress(host: String(decoding: bytes.dropFirst().dropLast(), as: UTF8.self), port: port)
    }
}
