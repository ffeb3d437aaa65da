public import Wire

// ICE restart (RFC 8445, section 9): other credentials for the same session.

extension ICELiteAgent {
    /// Whether a restart waits for its first check.
    public var isRestarting: Bool { pendingGeneration != nil }

    /// Prepares a restart; an earlier one that nobody has followed yet is forgotten.
    ///
    /// Until the first valid check with the new credentials everything goes on with the earlier ones, so a restart that
    /// comes to nothing changes nothing. From then on only the new ones count. Paths stay validated and media stays on
    /// the selected one until the peer nominates in the new generation. A session whose consent is lost gets its grace
    /// anew: somebody is there who wants it back.
    public mutating func restart(local: ICECredentials, remote: ICECredentials, at now: Instant) {
        switch phase {
        case .closed: return
        case .disconnected: phase = .disconnected(until: now.advanced(bySeconds: limits.graceSeconds))
        case .connecting, .connected: break
        }
        pendingGeneration = ICEGeneration(local: local, remote: remote)
    }

    /// A check with the credentials of the restart came. What was nominated before counts no more against what the peer
    /// nominates now.
    mutating func completeRestart() {
        guard let next = pendingGeneration else { return }
        generation = next
        pendingGeneration = nil
        latestNomination = nil
        nominatedTuple = nil
        for index in paths.indices { paths[index].isNominated = false }
        statistics.restarts &+= 1
    }
}
