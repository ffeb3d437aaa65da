public import Wire

/// What proxies say about the client (X-Forwarded-For, X-Forwarded-Proto). Only a trusted proxy's word counts.
public enum ForwardedFields {
    /// Replaces the request's address, and whether it is secure, by what trusted proxies said.
    ///
    /// Each proxy appends the address it was called from, so the list is read from the right, as long as the reader's own
    /// source is trusted. The result is the rightmost address no trusted proxy has: the left part is the client's to
    /// invent. A forwarded port is kept; without one the port is 0.
    public static func resolve(_ request: inout HTTPRequest, isTrusted: (SocketAddress) -> Bool) {
        guard isTrusted(request.remoteAddress) else { return }
        for hop in request.headers.listElements("X-Forwarded-For").reversed() {
            guard isTrusted(request.remoteAddress), let address = address(hop) else { break }
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
