/// Method, target and version (RFC 9112, section 3), parted by exactly one space each.
struct RequestLine {
    /// What a request line holds beside its target: method, two spaces, version.
    static let overheadBytes = HTTPMethod.maximumLength + 2 + 8

    var method: HTTPMethod
    var target: RequestTarget
    var version: HTTPVersion

    init(_ line: [UInt8], targetLimit: Int) throws(HTTPRequestError) {
        let parts = line.split(separator: HTTPSyntax.space, maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, HTTPSyntax.isToken(parts[0]), parts[0].count <= HTTPMethod.maximumLength else {
            throw .malformedRequestLine
        }
        method = HTTPMethod(String(decoding: parts[0], as: UTF8.self))
        version = try Self.version(parts[2])
        guard parts[1].count <= targetLimit else { throw .targetTooLong }
        target = try RequestTarget(parts[1], method: method)
    }

    private static func version(_ bytes: ArraySlice<UInt8>) throws(HTTPRequestError) -> HTTPVersion {
        let bytes = Array(bytes)
        guard bytes.count == 8, bytes.starts(with: "HTTP/".utf8), HTTPSyntax.isDigit(bytes[5]),
            bytes[6] == UInt8(ascii: "."), HTTPSyntax.isDigit(bytes[7])
        else { throw .malformedRequestLine }
        guard bytes[5] == UInt8(ascii: "1") else { throw .unsupportedVersion }
        // A higher minor version is compatible with the highest one known (RFC 9110, section 2.5).
        return bytes[7] == UInt8(ascii: "0") ? .http10 : .http11
    }
}

/// A request target in origin form, absolute form or asterisk form (RFC 9112, section 3.2). The authority form belongs
/// to CONNECT and is refused.
struct RequestTarget {
    var text: String
    /// Set by the absolute form, where it takes the place of the Host field.
    var authority: String?
    var path: ResourcePath
    var query: HTTPQuery

    init(_ bytes: ArraySlice<UInt8>, method: HTTPMethod) throws(HTTPRequestError) {
        // Bytes above 0x7F are let through because common clients send UTF-8 unencoded; the decoder checks them.
        guard !bytes.isEmpty, bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "#") }) else {
            throw .malformedTarget
        }
        text = HTTPSyntax.text(bytes)
        if Array(bytes) == Array("*".utf8) {
            guard method == .options else { throw .malformedTarget }
            path = ResourcePath()
            query = HTTPQuery()
            return
        }
        var rest = bytes
        if rest.first != HTTPSyntax.slash {
            let schemes = ["http://", "https://"]
            guard
                let scheme = schemes.first(where: { HTTPSyntax.equalIgnoringCase(bytes.prefix($0.utf8.count), $0.utf8) }
                )
            else { throw .malformedTarget }
            rest = rest.dropFirst(scheme.utf8.count)
            let host = rest.prefix { $0 != HTTPSyntax.slash && $0 != UInt8(ascii: "?") }
            guard !host.isEmpty, Self.isAuthority(host) else { throw .malformedTarget }
            authority = String(decoding: host, as: UTF8.self)
            rest = rest.dropFirst(host.count)
        }
        let question = rest.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
        do {
            path = try ResourcePath(decodingBytes: rest[..<question])
        } catch {
            throw .refusedPath(error)
        }
        query = HTTPQuery(decodingBytes: rest[question...].dropFirst())
    }

    /// Host and port: the characters of a registered name, an address, brackets and a colon. Empty is allowed (RFC 9112,
    /// section 3.2).
    static func isAuthority(_ bytes: some Collection<UInt8>) -> Bool {
        bytes.count <= 300
            && bytes.allSatisfy { byte in
                if HTTPSyntax.isLetter(byte) || HTTPSyntax.isDigit(byte) { return true }
                return "-._~:[]%!$&'()*+;=".utf8.contains(byte)
            }
    }
}
