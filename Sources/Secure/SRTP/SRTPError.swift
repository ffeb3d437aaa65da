/// Why a protected packet was not accepted. The packet is dropped and counted; none of these ends a session.
public enum SRTPError: Error, Hashable, Sendable {
    /// Shorter than the fixed header, what the header announces, and the tag.
    case tooShort
    /// Not RTP or RTCP version 2.
    case malformed
    /// Accepted once already: a duplicate of the network, or an attack.
    case replayed
    /// So far behind the newest packet that it cannot be told from a replay.
    case tooOld
    case authenticationFailed
    /// An RTCP packet that is not encrypted (E bit clear); never accepted.
    case notEncrypted
    /// Authentic, but from one SSRC more than ``SRTPReceiver/maximumStreams``.
    case tooManyStreams
    /// The 2^48 packet indices of the key are used up.
    case exhausted
}

/// What became of the packets given to a receiver.
public struct SRTPReceiveStatistics: Hashable, Sendable {
    public var accepted: UInt64 = 0
    /// Replayed or too old to tell.
    public var replayed: UInt64 = 0
    public var authenticationFailures: UInt64 = 0
    /// Everything else.
    public var refused: UInt64 = 0

    public init() {}

    /// Counts what became of one packet.
    mutating func count(_ result: Result<Int, SRTPError>) {
        switch result {
        case .success: accepted &+= 1
        case .failure(.replayed), .failure(.tooOld): replayed &+= 1
        case .failure(.authenticationFailed): authenticationFailures &+= 1
        case .failure: refused &+= 1
        }
    }
}
