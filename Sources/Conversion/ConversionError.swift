/// Why a message between the server and the converter cannot be read or written.
public enum ConversionError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Field: String, Hashable, Sendable {
        case codec
        case clockRate = "clock rate"
        case channels
        case configuration
        case bitRate = "bit rate"
        case timestamp
        case payload
        case flags
        case text
    }

    /// Of another generation of the protocol: server and converter are not of one release.
    case version(UInt8)
    case unknownKind(UInt8)
    case truncated
    /// Longer than ``ConversionMessages/maximumSize``, or bytes behind the end.
    case tooLong
    case outOfRange(Field)

    public var description: String {
        switch self {
        case .version(let version):
            "the message has version \(version) and \(ConversionMessages.version) is spoken; install server and"
                + " converter of one release"
        case .unknownKind(let kind): "there is no message of kind \(kind)"
        case .truncated: "the message is too short"
        case .tooLong: "the message is too long"
        case .outOfRange(let field): "the message's \(field.rawValue) cannot be used"
        }
    }
}

/// What holds for the messages in both directions.
///
/// Each is one datagram of a socketpair of type SOCK_SEQPACKET: the version, the kind, then the kind's fields, most
/// significant byte first, and last what is of variable size, to the end of the datagram.
public enum ConversionMessages {
    public static let version: UInt8 = 1
    /// Bytes of a whole message; buffers of this size receive any.
    public static let maximumSize = 65_536
    /// Timestamps lie within ± this, so that none overflows when it is converted to another clock: 23 years at 192 kHz.
    public static let maximumTimestamp: Int64 = 1 << 47
    /// Bytes of a text; longer ones are cut when they are written.
    public static let maximumTextSize = 1_024
}
