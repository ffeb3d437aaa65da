/// The STUN attributes the agent knows (RFC 8489, section 14; RFC 8445, section 16.1).
///
/// Values below 0x8000 must be understood by the receiver; the others may be skipped.
package enum STUNAttribute: UInt16, Sendable {
    case mappedAddress = 0x0001
    case username = 0x0006
    case messageIntegrity = 0x0008
    case errorCode = 0x0009
    case unknownAttributes = 0x000A
    case realm = 0x0014
    case nonce = 0x0015
    case messageIntegritySHA256 = 0x001C
    case passwordAlgorithm = 0x001D
    case userhash = 0x001E
    case xorMappedAddress = 0x0020
    case priority = 0x0024
    case useCandidate = 0x0025
    case software = 0x8022
    case fingerprint = 0x8028
    case iceControlled = 0x8029
    case iceControlling = 0x802A
    /// Chrome's renomination: a counter, the pair with the highest value is the nominated one.
    case nomination = 0xC001
    /// Chrome's description of the network a check leaves from; skipped.
    case googNetworkInfo = 0xC057

    /// Whether a message is not to be processed by a receiver that does not know attribute `type`.
    static func mustBeUnderstood(_ type: UInt16) -> Bool { type < 0x8000 }
}

/// The error codes the agent answers with (RFC 8489, section 14.8; RFC 8445, section 7.3.1.1).
public enum STUNErrorCode: UInt16, Hashable, Sendable {
    case badRequest = 400
    case unauthenticated = 401
    case unknownAttribute = 420
    case roleConflict = 487

    var reason: String {
        switch self {
        case .badRequest: "Bad Request"
        case .unauthenticated: "Unauthorized"
        case .unknownAttribute: "Unknown Attr"
        case .roleConflict: "Role Conflict"
        }
    }
}
