import ICE
import Loop
import Secure
import WebRTC
import Wire

/// Which ICE credentials a session runs with, and which a restart is to bring.
struct ICESessionGeneration: Sendable {
    /// Counts restarts that were asked for, whatever became of them.
    private(set) var number: UInt32 = 0
    private(set) var remote: ICECredentials
    private var localUfrag: UfragKey
    private var pending: (remote: ICECredentials, localUfrag: UfragKey)?

    init(localUfrag: UfragKey, remote: ICECredentials) {
        self.localUfrag = localUfrag
        self.remote = remote
    }

    /// Whether the peer means a generation that is known, rather than a restart.
    func knows(_ credentials: ICECredentials) -> Bool { credentials == remote || credentials == pending?.remote }

    /// What checks may name.
    var ufrags: [UfragKey] { [localUfrag] + (pending.map { [$0.localUfrag] } ?? []) }

    mutating func prepare(_ remote: ICECredentials, _ localUfrag: UfragKey) {
        number &+= 1
        pending = (remote, localUfrag)
    }

    mutating func complete() {
        guard let pending else { return }
        (remote, localUfrag) = pending
        self.pending = nil
    }
}

/// What a trickle fragment was to a session.
enum FragmentOutcome: Sendable {
    /// Candidates, which a lite agent does not need.
    case candidates
    /// A restart began: the client is to use these credentials, and the session is in this generation now.
    case restarted(ICECredentials, generation: UInt32)
    /// The condition names another generation.
    case conditionFailed
    /// A restart came without a condition.
    case conditionMissing
    /// The session is over.
    case gone
    case withoutRandomNumbers
}

extension PeerTransport {
    /// Takes the credentials of a fragment: nothing is to be done for those that are known, others restart ICE.
    ///
    /// - Parameter holds: whether the request's condition holds in this generation; nil without a condition.
    func receive(fragmentOf credentials: ICECredentials?, if holds: (@Sendable (UInt32) -> Bool)?) -> FragmentOutcome {
        guard !isClosed else { return .gone }
        if let holds, !holds(iceGeneration.number) { return .conditionFailed }
        guard let credentials, !iceGeneration.knows(credentials) else { return .candidates }
        guard holds != nil else { return .conditionMissing }
        guard let local = ICECredentials(randomBytes: SecureRandom.bytes(ICECredentials.randomByteCount)),
            let ufrag = UfragKey(local.ufrag)
        else { return .withoutRandomNumbers }
        engine.restart(local: local, remote: credentials, at: eventLoop.now)
        iceGeneration.prepare(credentials, ufrag)
        demultiplexer.change(ufrags: iceGeneration.ufrags, of: self)
        armTimer()
        return .restarted(local, generation: iceGeneration.number)
    }

    /// The client proved that it knows the restart's credentials: the earlier ones are given up.
    func completeRestart() {
        iceGeneration.complete()
        demultiplexer.change(ufrags: iceGeneration.ufrags, of: self)
    }
}
