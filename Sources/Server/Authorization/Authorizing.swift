public import Wire

/// What somebody wants to do.
public enum AuthorizationAction: String, Sendable, Hashable, CaseIterable { case publish, read, playback, api, metrics }

/// Who somebody says they are. Prints no secret.
public struct Credentials: Sendable {
    /// From `Authorization: Bearer …`.
    public var bearerToken: Redacted<String>?
    /// From `?token=…`; counts only where the operator allows it.
    public var queryToken: Redacted<String>?
    public var user: String?
    public var password: Redacted<String>?
    /// The client itself, behind trusted proxies too.
    public var address: SocketAddress

    public init(
        bearerToken: String? = nil, queryToken: String? = nil, user: String? = nil, password: String? = nil,
        address: SocketAddress
    ) {
        self.bearerToken = bearerToken.map { Redacted($0) }
        self.queryToken = queryToken.map { Redacted($0) }
        self.user = user
        self.password = password.map { Redacted($0) }
        self.address = address
    }

    /// The token of an `Authorization` header; nil for other schemes and malformed values.
    public static func bearerToken(inAuthorization header: String) -> String? {
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let token = parts[1].trimmingSpaces
        guard !token.isEmpty, token.utf8.count <= AccessToken.maximumLength,
            token.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        return String(token)
    }
}

public enum AuthorizationOutcome: Sendable, Hashable {
    case allowed
    /// Nobody known: 401, and say which credentials are taken.
    case unauthenticated
    /// Somebody known who may not do this here: 403.
    case forbidden
}

/// Decides who may do what, for every protocol.
///
/// Ask before reading the body of a request and before touching a room. The answer does not tell whether a path exists.
public protocol Authorizing: Sendable {
    func authorize(
        action: AuthorizationAction, path: String, protocol: PeerProtocol, credentials: Credentials
    ) async -> AuthorizationOutcome
}

extension Authorizing {
    /// Whether somebody may know everything of the server: who brings the token for metrics, or asks from this machine
    /// itself.
    ///
    /// - Parameter isForwarded: whether proxies stand between. Behind one on this machine that is not named as trusted,
    ///   everybody seems to be local.
    func isOperator(_ credentials: Credentials, isForwarded: Bool) async -> Bool {
        await operatorOutcome(credentials, isForwarded: isForwarded) == .allowed
    }

    /// The same, where it matters whether a token that is not the operator's is known at all.
    func operatorOutcome(_ credentials: Credentials, isForwarded: Bool) async -> AuthorizationOutcome {
        var remote = credentials
        // Only a token opens what is asked for from nowhere.
        if isForwarded || !credentials.address.isLoopback { remote.address = SocketAddress(ipv4: 0, port: 0) }
        return await authorize(action: .metrics, path: "", protocol: .internal, credentials: remote)
    }
}
