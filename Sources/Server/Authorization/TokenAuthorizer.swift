internal import Secure
internal import Synchronization
internal import Wire

/// Authorization by the tokens in the settings.
///
/// Tokens are compared by their digests, in a time that depends on neither. Where a path asks for no token, anyone may;
/// a path that is not configured asks for one as soon as any other path does, so that it looks like a private one.
public final class TokenAuthorizer: Authorizing {
    private struct State {
        var settings: ServerSettings
        var known: Set<[UInt8]>
        var protectsPublishing: Bool
        var protectsReading: Bool
    }

    private let state: Mutex<State>

    public init(settings: ServerSettings) { state = Mutex(Self.index(settings)) }

    /// Takes new settings, for a reload. Sessions that exist are not asked again.
    public func change(_ settings: ServerSettings) {
        let index = Self.index(settings)
        state.withLock { $0 = index }
    }

    private static func index(_ settings: ServerSettings) -> State {
        let paths = [settings.pathDefaults] + settings.paths.map(\.settings)
        let publishing = [settings.whipToken] + paths.map(\.publishToken)
        let reading = paths.map(\.readToken)
        let all = publishing + reading + [settings.metricsToken]
        return State(
            settings: settings, known: Set(all.compactMap { $0 }.map { digest(of: $0) }),
            protectsPublishing: publishing.contains { $0 != nil }, protectsReading: reading.contains { $0 != nil })
    }

    public func authorize(
        action: AuthorizationAction, path: String, protocol: PeerProtocol, credentials: Credentials
    ) async -> AuthorizationOutcome {
        let state = state.withLock { $0 }
        let allowsQuery = state.settings.allowTokenInQuery
        let presented = credentials.bearerToken ?? (allowsQuery ? credentials.queryToken : nil)

        let required: AccessToken?
        switch action {
        case .publish, .read, .playback:
            let isPublishing = action == .publish
            guard let room = state.settings.room(named: path) else {
                let isProtected = isPublishing ? state.protectsPublishing : state.protectsReading
                return isProtected ? refusal(presented, state) : .allowed
            }
            required = isPublishing ? room.publishToken ?? state.settings.whipToken : room.readToken
            guard required != nil else { return .allowed }
        case .metrics, .api:
            required = action == .metrics ? state.settings.metricsToken : nil
            guard required != nil else { return credentials.address.isLoopback ? .allowed : .forbidden }
        }
        guard let required, let presented, presented.revealed.utf8.count <= AccessToken.maximumLength else {
            return .unauthenticated
        }
        let digest = Array(presented.revealed.utf8).withBytes { Digest.sha256($0) }
        let isEqual = digest.withBytes { one in
            Self.digest(of: required).withBytes { constantTimeEquals(one, $0) }
        }
        if isEqual { return .allowed }
        return refusal(presented, state)
    }

    private func refusal(_ presented: Redacted<String>?, _ state: State) -> AuthorizationOutcome {
        guard let presented, presented.revealed.utf8.count <= AccessToken.maximumLength else { return .unauthenticated }
        let digest = Array(presented.revealed.utf8).withBytes { Digest.sha256($0) }
        return state.known.contains(digest) ? .forbidden : .unauthenticated
    }

    private static func digest(of token: AccessToken) -> [UInt8] {
        switch token.form {
        case .plain(let bytes): bytes.withBytes { Digest.sha256($0) }
        case .sha256(let digest): digest
        }
    }
}
