/// A session description (RFC 8866) with the attributes that live media uses.
///
/// Lines without a meaning for a live media server (`i=`, `u=`, `e=`, `p=`, `t=`, `r=`, `z=`, `k=`) are not kept;
/// attributes without a field of their own are kept as text in `otherAttributes`.
public struct SessionDescription: Hashable, Sendable {
    public var origin = Origin()
    public var sessionName = "-"
    public var connection: ConnectionAddress?
    public var bandwidths: [Bandwidth] = []
    public var groups: [Group] = []
    public var isICELite = false
    public var transport = TransportAttributes()
    /// The default of media sections that name none.
    public var direction: MediaDirection?
    public var extensionMappings: [ExtensionMapping] = []
    public var extmapAllowMixed = false
    public var otherAttributes: [Attribute] = []
    public var media: [MediaDescription] = []

    public init() {}
}

/// The `o=` line. Ids are text because senders put more than 64 bits there.
public struct Origin: Hashable, Sendable {
    public var username = "-"
    public var sessionID = "0"
    public var sessionVersion = "0"
    public var connection = ConnectionAddress(address: "0.0.0.0")

    public init() {}

    public init(sessionID: UInt64, sessionVersion: UInt64, address: String = "127.0.0.1") {
        self.sessionID = String(sessionID)
        self.sessionVersion = String(sessionVersion)
        connection = ConnectionAddress(address: address)
    }
}

/// The address part of `c=` and `o=`; a name, a literal, or a multicast address with its `/ttl` tail.
public struct ConnectionAddress: Hashable, Sendable {
    public var isIPv6: Bool
    public var address: String

    public init(address: String, isIPv6: Bool? = nil) {
        self.address = address
        self.isIPv6 = isIPv6 ?? address.utf8.contains(UInt8(ascii: ":"))
    }
}

/// A `b=` line; the unit depends on the type (`AS` kbit/s, `TIAS` bit/s).
public struct Bandwidth: Hashable, Sendable {
    public var type: String
    public var value: UInt64

    public init(type: String, value: UInt64) {
        self.type = type
        self.value = value
    }

    /// RFC 8866 `AS` and RFC 3890 `TIAS` in bits per second; nil for other types.
    public var bitsPerSecond: UInt64? {
        switch type {
        case "TIAS": value
        case "AS": value.multipliedReportingOverflow(by: 1000).overflow ? nil : value * 1000
        default: nil
        }
    }
}

/// `a=group:` (RFC 5888), for example `BUNDLE 0 1`.
public struct Group: Hashable, Sendable {
    public var semantics: String
    public var mids: [String]

    public init(semantics: String, mids: [String]) {
        self.semantics = semantics
        self.mids = mids
    }
}

/// An attribute without a field of its own.
public struct Attribute: Hashable, Sendable {
    public var name: String
    public var value: String?

    public init(_ name: String, _ value: String? = nil) {
        self.name = name
        self.value = value
    }
}

public enum MediaDirection: String, Hashable, Sendable, CaseIterable {
    case sendrecv, sendonly, recvonly, inactive

    public var sends: Bool { self == .sendrecv || self == .sendonly }
    public var receives: Bool { self == .sendrecv || self == .recvonly }

    public init(sends: Bool, receives: Bool) {
        self = sends ? (receives ? .sendrecv : .sendonly) : (receives ? .recvonly : .inactive)
    }

    /// The same direction as the other side sees it.
    public var mirrored: MediaDirection { MediaDirection(sends: receives, receives: sends) }
}

/// ICE and DTLS attributes, which may stand at session level, at media level, or both.
public struct TransportAttributes: Hashable, Sendable {
    public var iceUfrag: String?
    public var icePassword: String?
    public var iceOptions: [String] = []
    public var fingerprints: [Fingerprint] = []
    public var setup: SetupRole?

    public init() {}
}

/// `a=setup:` (RFC 4145, section 4).
public enum SetupRole: String, Hashable, Sendable, CaseIterable {
    case active, passive, actpass, holdconn
}
