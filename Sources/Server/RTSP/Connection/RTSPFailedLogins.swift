import Synchronization

/// Lets clients that sent wrong credentials wait for the answer, so that nobody guesses fast (RTSP-21). Each holds its own
/// connection up, and no other.
final class RTSPFailedLogins: Sendable {
    /// More than these are refused at once, as nobody is to hold any number of connections in this way.
    private let maximumWaiting: Int
    private let waiting = Mutex(0)

    init(maximumWaiting: Int = 256) { self.maximumWaiting = maximumWaiting }

    /// - Returns: `false`, at once, when enough clients wait already.
    func wait(_ delay: Duration) async -> Bool {
        let isAdmitted = waiting.withLock { waiting in
            guard waiting < maximumWaiting else { return false }
            waiting += 1
            return true
        }
        guard isAdmitted else { return false }
        try? await Task.sleep(for: delay)
        waiting.withLock { $0 -= 1 }
        return true
    }

    var count: Int { waiting.withLock { $0 } }
}
