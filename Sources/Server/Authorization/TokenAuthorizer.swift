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
        /// The tokens that some path asks for, to publish and to read.
        var publishing: [AccessToken]
        var reading: [AccessToken]
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
        let publishing = ([settings.whipToken] + paths.map(\.publishToken)).compactMap { $0 }
        let reading = paths.compactMap(\.readToken)
        let all = publishing + reading + [settings.metricsToken].compactMap { $0 }
        return State(
            settings: settings, known: Set(all.map { digest(of: $0) }), publishing: publishing, reading: reading)
    }

    public func authorize(
        action: AuthorizationAction, path: String, protocol: PeerProtocol, credentials: Credentials
    ) async -> AuthorizationOutcome {
        let state = state.withLock { $0 }
        let allowsQuery = state.settings.allowTokenInQuery
        let presented =
            credentials.bearerToken ?? credentials.password ?? (allowsQuery ? credentials.queryToken : nil)

        let required: AccessToken
        switch requirement(action, path, state) {
        case .nothing: return .allowed
        case .thisMachine: return credentials.address.isLoopback ? .allowed : .forbidden
        case .somethingUnknown: return refusal(presented, state)
        case .token(let token): required = token
        }
        guard let presented, presented.revealed.utf8.count <= AccessToken.maximumLength else {
            return .unauthenticated
        }
        let digest = Array(presented.revealed.utf8).withBytes { Digest.sha256($0) }
        let isEqual = digest.withBytes { one in
            Self.digest(of: required).withBytes { constantTimeEquals(one, $0) }
        }
        if isEqual { return .allowed }
        return refusal(presented, state)
    }

    /// Authorization of a client that proves to know a token without sending it.
    ///
    /// - Parameter isMade: whether the proof was made with this token. Tokens of which only a digest is known cannot be
    ///   proved that way.
    func authorize(
        action: AuthorizationAction, path: String, address: SocketAddress, proof isMade: (String) -> Bool
    ) -> AuthorizationOutcome {
        switch requirement(action, path, state.withLock { $0 }) {
        case .nothing: return .allowed
        case .thisMachine: return address.isLoopback ? .allowed : .forbidden
        case .somethingUnknown: return .unauthenticated
        case .token(let token):
            guard case .plain(let bytes) = token.form else { return .unauthenticated }
            return isMade(String(decoding: bytes, as: UTF8.self)) ? .allowed : .unauthenticated
        }
    }

    /// Whether a client could prove to know what it needs without sending it: of tokens that stand in the settings as
    /// digests nobody can check that.
    func takesProof(action: AuthorizationAction, path: String) -> Bool {
        let state = state.withLock { $0 }
        switch requirement(action, path, state) {
        case .nothing, .thisMachine: return true
        case .token(let token): return token.isPlain
        // What stands for a private path says what one of them could say.
        case .somethingUnknown:
            return (action == .publish ? state.publishing : state.reading).contains(where: \.isPlain)
        }
    }

    /// What somebody has to know who wants to do `action`.
    private enum Requirement {
        case nothing
        case thisMachine
        case token(AccessToken)
        /// The path is not configured and looks like a private one.
        case somethingUnknown
    }

    private func requirement(_ action: AuthorizationAction, _ path: String, _ state: State) -> Requirement {
        switch action {
        case .publish, .read, .playback:
            let isPublishing = action == .publish
            let token: AccessToken?
            if let room = state.settings.room(named: path) {
                token = isPublishing ? room.publishToken ?? state.settings.whipToken : room.readToken
            } else if !isPublishing, let path = state.settings.redirectingPath(named: path) {
                // Readers learn where it leads, and only those whom it lets in.
                token = path.readToken
            } else {
                return (isPublishing ? state.publishing : state.reading).isEmpty ? .nothing : .somethingUnknown
            }
            return token.map { .token($0) } ?? .nothing
        case .metrics, .api:
            let token = action == .metrics ? state.settings.metricsToken : nil
            return token.map { .token($0) } ?? .thisMachine
        }
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
