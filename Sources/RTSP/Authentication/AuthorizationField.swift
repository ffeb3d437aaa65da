/// `name=value` pairs of an authentication field, quoted or not.
struct AuthenticationParameters {
    private var pairs: [(name: String, value: String)] = []

    init(_ text: Substring) {
        for part in text.splitOutsideQuotes(",").prefix(Self.maximumCount) {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2 else { continue }
            let value = pair[1].trimmingBlanks.unquoted
            pairs.append((pair[0].trimmingBlanks.lowercased(), Self.unescaped(value)))
        }
    }

    private static let maximumCount = 32

    subscript(name: String) -> String? { pairs.first { $0.name == name }?.value }

    private static func unescaped(_ value: Substring) -> String {
        guard value.utf8.contains(UInt8(ascii: "\\")) else { return String(value) }
        var result = ""
        var isEscaped = false
        for character in value {
            if character == "\\", !isEscaped {
                isEscaped = true
            } else {
                result.append(character)
                isEscaped = false
            }
        }
        return result
    }
}

/// What a client shows of itself in an Authorization field (RFC 7617, RFC 7616).
public enum RTSPCredentials: Hashable, Sendable {
    case basic(user: String, password: String)
    case digest(DigestCredentials)

    /// nil for other schemes and for values that cannot be read.
    public init?(_ field: String) {
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        switch parts[0].lowercased() {
        case "basic":
            guard let decoded = Base64Text.decode(parts[1].trimmingBlanks) else { return nil }
            let text = String(decoding: decoded, as: UTF8.self)
            let pair = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2 else { return nil }
            self = .basic(user: String(pair[0]), password: String(pair[1]))
        case "digest":
            guard let digest = DigestCredentials(AuthenticationParameters(parts[1])) else { return nil }
            self = .digest(digest)
        default: return nil
        }
    }

    public var user: String {
        switch self {
        case .basic(let user, _): user
        case .digest(let digest): digest.user
        }
    }
}

/// A client's answer to a Digest challenge.
public struct DigestCredentials: Hashable, Sendable {
    public var user: String
    public var realm: String
    public var nonce: String
    public var uri: String
    public var response: String
    public var algorithm: DigestAlgorithm
    /// Set together when the client used a quality of protection.
    public var qop: String?
    public var nonceCount: String?
    public var clientNonce: String?

    init?(_ parameters: AuthenticationParameters) {
        guard let user = parameters["username"], let realm = parameters["realm"], let nonce = parameters["nonce"],
            let uri = parameters["uri"], let response = parameters["response"]
        else { return nil }
        guard let algorithm = DigestAlgorithm(name: parameters["algorithm"]) else { return nil }
        self.user = user
        self.realm = realm
        self.nonce = nonce
        self.uri = uri
        self.response = response
        self.algorithm = algorithm
        qop = parameters["qop"]
        nonceCount = parameters["nc"]
        clientNonce = parameters["cnonce"]
    }

    /// Whether the answer was made with `password`. Takes the same time wherever they differ.
    public func isMade(with password: String, method: String, hash: RTSPHash) -> Bool {
        let expected = DigestComputation(
            user: user, realm: realm, nonce: nonce, uri: uri, algorithm: algorithm, qop: qop, nonceCount: nonceCount,
            clientNonce: clientNonce
        ).response(password: password, method: method, hash: hash)
        let left = Array(expected.utf8)
        let right = Array(response.lowercased().utf8)
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in left.indices { difference |= left[index] ^ right[index] }
        return difference == 0
    }

    /// Whether the URI the answer was made for means the request's: exactly, without query, as its base, its track or
    /// its path alone (RTSP-20: clients differ).
    public func isMeant(for requestURL: String) -> Bool {
        if uri == requestURL { return true }
        let own = RTSPTarget(url: uri).path
        let requested = RTSPTarget(url: requestURL).path
        return own == requested || requested.hasPrefix(own + "/") || own.isEmpty && uri.contains("://")
            || own.hasPrefix(requested + "/")
    }
}

/// The computation of RFC 7616, section 3.4, and of RFC 2069 when there is no quality of protection.
struct DigestComputation {
    var user: String
    var realm: String
    var nonce: String
    var uri: String
    var algorithm: DigestAlgorithm
    var qop: String?
    var nonceCount: String?
    var clientNonce: String?

    func response(password: String, method: String, hash: RTSPHash) -> String {
        var secret = hash.hexadecimal("\(user):\(realm):\(password)", algorithm)
        if algorithm.hasSession { secret = hash.hexadecimal("\(secret):\(nonce):\(clientNonce ?? "")", algorithm) }
        let request = hash.hexadecimal("\(method):\(uri)", algorithm)
        guard let qop else { return hash.hexadecimal("\(secret):\(nonce):\(request)", algorithm) }
        return hash.hexadecimal(
            "\(secret):\(nonce):\(nonceCount ?? ""):\(clientNonce ?? ""):\(qop):\(request)", algorithm)
    }
}

enum Base64Text {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// With or without padding; nil for anything else.
    static func decode(_ text: some StringProtocol) -> [UInt8]? {
        var result: [UInt8] = []
        var bits: UInt32 = 0
        var count: UInt32 = 0
        var hasPadding = false
        for byte in text.utf8 {
            if byte == UInt8(ascii: "=") {
                hasPadding = true
                continue
            }
            guard !hasPadding, let value = alphabet.firstIndex(of: byte) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                result.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return result
    }

    static func encode(_ bytes: [UInt8]) -> String {
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            let chunk = bytes[index..<min(index + 3, bytes.count)]
            var bits: UInt32 = 0
            for byte in chunk { bits = bits << 8 | UInt32(byte) }
            bits <<= UInt32(8 * (3 - chunk.count))
            for position in 0..<4 {
                if position <= chunk.count {
                    result.append(alphabet[Int(bits >> UInt32(18 - 6 * position) & 63)])
                } else {
                    result.append(UInt8(ascii: "="))
                }
            }
            index += 3
        }
        return String(decoding: result, as: UTF8.self)
    }
}
