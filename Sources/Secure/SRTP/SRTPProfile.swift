/// An SRTP protection profile as DTLS negotiates it (RFC 5764, section 4.1.2; RFC 7714, section 14.2).
public enum SRTPProfile: UInt16, Hashable, Sendable, CaseIterable {
    // swift-format-ignore: AlwaysUseLowerCamelCase
    case aes128CMSHA1_80 = 0x0001
    // swift-format-ignore: AlwaysUseLowerCamelCase
    /// Known so that it can be forced for a peer that has nothing better; never part of ``preferred``.
    case aes128CMSHA1_32 = 0x0002
    case aeadAES128GCM = 0x0007
    case aeadAES256GCM = 0x0008

    /// What a peer is offered, best first. GCM costs less than half of CM with SHA-1.
    public static let preferred: [SRTPProfile] = [.aeadAES128GCM, .aeadAES256GCM, .aes128CMSHA1_80]

    public var isAEAD: Bool { self == .aeadAES128GCM || self == .aeadAES256GCM }

    /// Bytes of the master key and of the session encryption keys.
    public var keyLength: Int { self == .aeadAES256GCM ? 32 : 16 }
    public var saltLength: Int { isAEAD ? 12 : 14 }

    /// Bytes that protection adds to an RTP packet.
    public var tagLength: Int {
        switch self {
        case .aes128CMSHA1_80: 10
        case .aes128CMSHA1_32: 4
        case .aeadAES128GCM, .aeadAES256GCM: 16
        }
    }

    /// The longest tag of any profile: room to leave behind an RTP packet.
    public static let maximumTagLength = 16

    /// Bytes of the tag of an RTCP packet; the index word adds four more.
    public var controlTagLength: Int { isAEAD ? 16 : 10 }

    /// What the exporter must yield for both directions: two keys and two salts.
    public var keyBlockLength: Int { 2 * (keyLength + saltLength) }

    /// OpenSSL's name for `SSL_set_tlsext_use_srtp`.
    var openSSLName: String {
        switch self {
        case .aes128CMSHA1_80: "SRTP_AES128_CM_SHA1_80"
        case .aes128CMSHA1_32: "SRTP_AES128_CM_SHA1_32"
        case .aeadAES128GCM: "SRTP_AEAD_AES_128_GCM"
        case .aeadAES256GCM: "SRTP_AEAD_AES_256_GCM"
        }
    }
}
