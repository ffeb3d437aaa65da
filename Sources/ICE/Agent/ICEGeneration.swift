import Wire

/// The credentials of one ICE generation, as requests are compared with them.
struct ICEGeneration: Sendable {
    let local: ICECredentials
    let key: [UInt8]
    /// What requests to the peer are authenticated with, and their USERNAME.
    let remoteKey: [UInt8]
    let remoteUsername: [UInt8]
    /// What USERNAME of every request has to be, and how much of it is ours, colon included.
    private let username: [UInt8]
    private let localPartSize: Int

    init(local: ICECredentials, remote: ICECredentials) {
        self.local = local
        key = Array(local.password.utf8)
        remoteKey = Array(remote.password.utf8)
        remoteUsername = Array("\(remote.ufrag):\(local.ufrag)".utf8)
        username = Array("\(local.ufrag):\(remote.ufrag)".utf8)
        localPartSize = local.ufrag.utf8.count + 1
    }

    /// Whether the USERNAME at `sent` begins with our fragment.
    func isNamed(by sent: Range<Int>, in datagram: RawSpan) -> Bool {
        guard sent.count >= localPartSize else { return false }
        for index in 0..<localPartSize where datagram[sent.lowerBound + index] != username[index] { return false }
        return true
    }

    /// Whether the USERNAME at `sent`, which names this generation, names its peer too.
    func expects(_ sent: Range<Int>, in datagram: RawSpan) -> Bool {
        guard sent.count == username.count else { return false }
        for index in localPartSize..<username.count where datagram[sent.lowerBound + index] != username[index] {
            return false
        }
        return true
    }
}
