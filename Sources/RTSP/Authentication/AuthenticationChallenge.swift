/// A challenge of a WWW-Authenticate field.
public enum RTSPChallenge: Hashable, Sendable {
    case basic(realm: String)
    case digest(realm: String, nonce: String, algorithm: DigestAlgorithm, qop: Bool, isStale: Bool, opaque: String?)

    /// nil for schemes and algorithms that are not known here.
    public init?(_ field: String) {
        let parts = field.split(separator: " ", maxSplits: 1)
        guard let scheme = parts.first?.lowercased() else { return nil }
        let parameters = AuthenticationParameters(parts.count > 1 ? parts[1] : "")
        switch scheme {
        case "basic": self = .basic(realm: parameters["realm"] ?? "")
        case "digest":
            guard let nonce = parameters["nonce"],
                let algorithm = DigestAlgorithm(name: parameters["algorithm"])
            else { return nil }
            let qop = parameters["qop"].map { $0.split(separator: ",").contains { $0.trimmingBlanks == "auth" } }
            self = .digest(
                realm: parameters["realm"] ?? "", nonce: nonce, algorithm: algorithm, qop: qop ?? false,
                isStale: parameters["stale"]?.lowercased() == "true", opaque: parameters["opaque"])
        default: return nil
        }
    }

    public var text: String {
        switch self {
        case .basic(let realm): return "Basic realm=\"\(realm)\""
        case .digest(let realm, let nonce, let algorithm, let qop, let isStale, let opaque):
            var text = "Digest realm=\"\(realm)\", nonce=\"\(nonce)\""
            if algorithm != .md5 { text += ", algorithm=\(algorithm.rawValue)" }
            if qop { text += ", qop=\"auth\"" }
            if isStale { text += ", stale=TRUE" }
            if let opaque { text += ", opaque=\"\(opaque)\"" }
            return text
        }
    }

    /// What to answer of several challenges: the strongest Digest, Basic only when there is nothing else (RTSP-45).
    public static func strongest(of fields: [String]) -> RTSPChallenge? {
        // A realm with a stray quote can be read only where the field is one challenge.
        (fields.flatMap { challenges(in: $0) } + fields).compactMap { RTSPChallenge($0) }
            .max { $0.strength < $1.strength }
    }

    /// Whether any of several challenges is a Digest, of a kind that is known here or another.
    public static func offersDigest(_ fields: [String]) -> Bool {
        (fields.flatMap { challenges(in: $0) } + fields).contains { challenge in
            challenge.split(separator: " ", maxSplits: 1).first?.lowercased() == "digest"
        }
    }

    /// The challenges that stand in one field (RFC 7235, section 4.1): a scheme is a word that no equals sign follows.
    private static func challenges(in field: String) -> [String] {
        var found: [String] = []
        for part in field.splitOutsideQuotes(",").prefix(maximumParts).map(\.trimmingBlanks) {
            let word = part.prefix { $0 != " " && $0 != "\t" && $0 != "=" }
            let begins = !word.isEmpty && part[word.endIndex...].trimmingBlanks.first != "="
            if begins || found.isEmpty {
                found.append(String(part))
            } else {
                found[found.count - 1] += ", " + part
            }
        }
        return found
    }

    private static let maximumParts = 64

    /// Whether the credentials were right and only the nonce too old.
    public var isStale: Bool {
        if case .digest(_, _, _, _, let isStale, _) = self { isStale } else { false }
    }

    private var strength: Int {
        switch self {
        case .basic: 0
        case .digest(_, _, .md5, _, _, _), .digest(_, _, .md5Session, _, _, _): 1
        case .digest(_, _, .sha256, _, _, _), .digest(_, _, .sha256Session, _, _, _): 2
        }
    }

    /// The Authorization field that answers the challenge.
    ///
    /// - Parameters:
    ///   - clientNonce: random; used when the challenge asks for a quality of protection.
    ///   - nonceCount: how many answers to this challenge there are with this one.
    public func authorization(
        user: String, password: String, method: String, uri: String, clientNonce: String, nonceCount: Int = 1,
        hash: RTSPHash
    ) -> String {
        switch self {
        case .basic: return "Basic " + Base64Text.encode(Array("\(user):\(password)".utf8))
        case .digest(let realm, let nonce, let algorithm, let qop, _, let opaque):
            let digits = String(UInt32(truncatingIfNeeded: nonceCount), radix: 16)
            let count = String(repeating: "0", count: 8 - digits.utf8.count) + digits
            let computation = DigestComputation(
                user: user, realm: realm, nonce: nonce, uri: uri, algorithm: algorithm, qop: qop ? "auth" : nil,
                nonceCount: count, clientNonce: clientNonce)
            let response = computation.response(password: password, method: method, hash: hash)
            var text = "Digest username=\"\(Self.escaped(user))\", realm=\"\(Self.escaped(realm))\""
            text += ", nonce=\"\(nonce)\", uri=\"\(uri)\", response=\"\(response)\""
            if algorithm != .md5 { text += ", algorithm=\(algorithm.rawValue)" }
            if qop { text += ", qop=auth, nc=\(count)" }
            if qop || algorithm.hasSession { text += ", cnonce=\"\(clientNonce)\"" }
            if let opaque { text += ", opaque=\"\(opaque)\"" }
            return text
        }
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            if character == "\"" || character == "\\" { result.append("\\") }
            result.append(character)
        }
        return result
    }
}
