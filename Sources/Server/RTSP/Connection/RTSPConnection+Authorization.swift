import RTSP
import Synchronization
import Wire

/// Who may do what, in RTSP's words (RTSP-20): Basic and Digest, the token of the room as the password of any user.
extension RTSPConnection {
    private static let realm = "Martlet"

    /// Whether the client may; `false` when its request has been refused.
    func isAllowed(_ action: AuthorizationAction, _ target: RTSPTarget) async -> Bool {
        guard let request = machine.pendingRequest else { return false }
        let field = request.headers["Authorization"]
        let isInQuery = target.queryValue("token") != nil && service.settings().allowTokenInQuery
        // Asking without credentials first is how RTSP clients learn that they are needed.
        if field != nil || isInQuery, service.limits.mayTryToken(from: remoteAddress) != nil {
            tellTooManyLogins(action, target)
            machine.refuse(.serviceUnavailable, "too many wrong credentials from this address; wait a moment")
            return false
        }
        switch await outcome(action, target, request, field) {
        case .allowed: return true
        case .forbidden:
            tellUnauthorized(action, target, "the credentials are valid, but not for this room")
            if isLogin(field, isInQuery), await !loginFailed() { return false }
            machine.refuse(.forbidden)
        case .unauthenticated:
            if isLogin(field, isInQuery) {
                tellUnauthorized(action, target, "the credentials are wrong")
                guard await loginFailed() else { return false }
            }
            machine.challenge(challenges(action, target, field))
        }
        return false
    }

    /// Whether the request says anything that could be right, in its field or else in its query. A client that answers
    /// the challenge of an earlier connection only has to be told the new one.
    private func isLogin(_ field: String?, _ isInQuery: Bool) -> Bool {
        guard let field else { return isInQuery }
        if case .digest(let digest) = RTSPCredentials(field) { return digest.nonce == nonce }
        return true
    }

    /// Counts wrong credentials, and waits before the client learns of it (RTSP-21).
    ///
    /// - Returns: `false` when the request has been refused, or nobody is there any more to be answered.
    private func loginFailed() async -> Bool {
        service.counters.failedAuthorizations.wrappingAdd(1, ordering: .relaxed)
        service.limits.tokenWasWrong(from: remoteAddress)
        guard await service.failedLogins.wait(service.settings().rtspFailedLoginDelay) else {
            // How often one address may try is bounded apart from this.
            service.counters.failedLoginsUndelayed.wrappingAdd(1, ordering: .relaxed)
            machine.refuse(.serviceUnavailable, "too many wrong credentials; wait a moment")
            return false
        }
        return !isGone
    }

    private func outcome(
        _ action: AuthorizationAction, _ target: RTSPTarget, _ request: RTSPRequest, _ field: String?
    ) async -> AuthorizationOutcome {
        if case .digest(let digest) = field.flatMap({ RTSPCredentials($0) }) {
            let isOurs = isAnswer(digest) && digest.realm == Self.realm && digest.isMeant(for: request.url)
            return service.authorizer.authorize(action: action, path: target.path, address: remoteAddress) { token in
                isOurs && digest.isMade(with: token, method: request.methodName, hash: service.hash)
            }
        }
        var credentials = Credentials(queryToken: target.queryValue("token"), address: remoteAddress)
        if case .basic(let user, let password) = field.flatMap({ RTSPCredentials($0) }),
            service.settings().rtspAuthMethods.contains(.basic)
        {
            credentials.user = user
            credentials.password = Redacted(password)
        } else if let field {
            credentials.bearerToken = Credentials.bearerToken(inAuthorization: field).map { Redacted($0) }
        }
        return await service.authorizer.authorize(
            action: action, path: target.path, protocol: .rtsp, credentials: credentials)
    }

    /// The algorithm of the Digest that is asked for. Clients fail when both are offered, so the stronger stands alone.
    private var digestAlgorithm: DigestAlgorithm? {
        let methods = service.settings().rtspAuthMethods
        return methods.contains(.digestSHA256) ? .sha256 : methods.contains(.digest) ? .md5 : nil
    }

    /// Whether a client answers this connection's challenge, and not an earlier one's or one that was never made.
    private func isAnswer(_ digest: DigestCredentials) -> Bool {
        digest.nonce == nonce && digest.algorithm == digestAlgorithm
    }

    private func challenges(_ action: AuthorizationAction, _ target: RTSPTarget, _ field: String?) -> [RTSPChallenge] {
        let takesBasic = service.settings().rtspAuthMethods.contains(.basic)
        var challenges: [RTSPChallenge] = []
        // Clients prefer Digest wherever they see it, and with a token of which only a digest is known it never succeeds.
        if let digestAlgorithm, !takesBasic || service.authorizer.takesProof(action: action, path: target.path) {
            // What an earlier nonce was answered with is not judged, so nobody learns by it whether a password is right.
            var isStale = false
            if case .digest(let digest) = field.flatMap({ RTSPCredentials($0) }) { isStale = digest.nonce != nonce }
            challenges.append(
                .digest(
                    realm: Self.realm, nonce: nonce, algorithm: digestAlgorithm, qop: false, isStale: isStale,
                    opaque: nil))
        }
        if takesBasic { challenges.append(.basic(realm: Self.realm)) }
        return challenges
    }
}
