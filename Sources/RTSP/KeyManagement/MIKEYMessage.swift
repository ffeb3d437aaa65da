import Wire

/// Why a MIKEY message is of no use.
public enum MIKEYError: Error, Hashable, Sendable {
    case truncated
    /// A kind of message, payload or key that RTSP has no use for, or a cipher that is not spoken here.
    case unsupported
}

/// A MIKEY message as RTSP uses it (RFC 3830, RFC 4567): an initiation whose keys are protected by the connection alone,
/// in a key data transport payload that is neither encrypted nor authenticated.
///
/// Left out: keys that traffic keys are to be derived from (TGK), validity periods, rollover counters other than 0.
public struct MIKEYMessage: Hashable, Sendable {
    public var keys: RTSPMediaKeys
    /// Identifies the group of sessions.
    public var bundle: UInt32
    /// The streams that are encrypted with the keys.
    public var ssrcs: [UInt32]

    public init(keys: RTSPMediaKeys, bundle: UInt32, ssrcs: [UInt32]) {
        self.keys = keys
        self.bundle = bundle
        self.ssrcs = ssrcs
    }

    // MARK: reading

    private enum Payload {
        static let last: UInt8 = 0
        static let keyTransport: UInt8 = 1
        static let timestamp: UInt8 = 5
        static let identity: UInt8 = 6
        static let policy: UInt8 = 10
        static let random: UInt8 = 11
        static let keyData: UInt8 = 20
        static let extensionData: UInt8 = 21
    }

    private static let maximumPayloads = 32

    public init(parsing bytes: [UInt8]) throws(MIKEYError) {
        var reader = Reader(bytes)
        // Version 1, pre-shared key initiation.
        guard try reader.byte() == 1, try reader.byte() == 0 else { throw .unsupported }
        var next = try reader.byte()
        _ = try reader.byte()
        bundle = try reader.word()
        let sessions = Int(try reader.byte())
        let mapType = try reader.byte()
        ssrcs = []
        // Map type 0 lists policy, SSRC and rollover counter of each stream; others list nothing of use.
        if mapType == 0 {
            for _ in 0..<sessions {
                _ = try reader.byte()
                ssrcs.append(try reader.word())
                _ = try reader.word()
            }
        } else if sessions > 0 {
            throw .unsupported
        }
        var found: RTSPMediaKeys?
        var count = 0
        while next != Payload.last {
            count += 1
            guard count <= Self.maximumPayloads else { throw .unsupported }
            let type = next
            next = try reader.byte()
            switch type {
            case Payload.timestamp: try reader.skip(try reader.byte() == 2 ? 4 : 8)
            case Payload.random: try reader.skip(Int(try reader.byte()))
            case Payload.identity, Payload.extensionData:
                _ = try reader.byte()
                try reader.skip(Int(try reader.half()))
            case Payload.policy:
                _ = try reader.byte()
                guard try reader.byte() == 0 else { throw .unsupported }
                try Self.check(try reader.part(Int(try reader.half())))
            case Payload.keyTransport:
                guard try reader.byte() == 0 else { throw .unsupported }
                let keys = try Self.keys(try reader.part(Int(try reader.half())))
                guard try reader.byte() == 0 else { throw .unsupported }
                found = found ?? keys
            default: throw .unsupported
            }
        }
        guard let found else { throw .unsupported }
        keys = found
    }

    /// Looks whether a policy asks for what is spoken here.
    private static func check(_ bytes: [UInt8]) throws(MIKEYError) {
        var rest = bytes[...]
        while rest.count >= 2, let type = rest.popFirst(), let length = rest.popFirst() {
            guard rest.count >= Int(length) else { throw .truncated }
            let value = rest.prefix(Int(length)).reduce(0) { $0 << 8 | UInt32($1) }
            rest = rest.dropFirst(Int(length))
            let isSpoken =
                switch type {
                // Encryption and its key, authentication, whether RTP and RTCP are encrypted and authenticated.
                case 0, 2, 7, 8, 10: value == 1
                case 1: value == 16
                case 4: value == 14
                case 5, 6: value == 0
                // Some write the length of the tag here.
                case 3: value == 20 || value == 10
                case 11: value == 10
                default: true
                }
            guard isSpoken else { throw .unsupported }
        }
        guard rest.isEmpty else { throw .truncated }
    }

    /// The first traffic encryption key, with its salt beside it or behind it.
    private static func keys(_ bytes: [UInt8]) throws(MIKEYError) -> RTSPMediaKeys {
        var reader = Reader(bytes)
        _ = try reader.byte()
        let kind = try reader.byte()
        var key = try reader.part(Int(try reader.half()))
        switch kind >> 4 {
        case 2: break
        case 3: key += try reader.part(Int(try reader.half()))
        default: throw .unsupported
        }
        let identifier: [UInt8]
        switch kind & 0x0F {
        case 0: identifier = []
        case 1: identifier = try reader.part(Int(try reader.byte()))
        default: throw .unsupported
        }
        let split = min(RTSPMediaKeys.keyLength, key.count)
        guard
            let keys = RTSPMediaKeys(key: Array(key[..<split]), salt: Array(key[split...]), identifier: identifier)
        else { throw .unsupported }
        return keys
    }

    /// Reads front to back; every read is checked.
    private struct Reader {
        private var rest: ArraySlice<UInt8>

        init(_ bytes: [UInt8]) { rest = bytes[...] }

        mutating func byte() throws(MIKEYError) -> UInt8 {
            guard let value = rest.popFirst() else { throw .truncated }
            return value
        }

        mutating func half() throws(MIKEYError) -> UInt16 { UInt16(try byte()) << 8 | UInt16(try byte()) }

        mutating func word() throws(MIKEYError) -> UInt32 { UInt32(try half()) << 16 | UInt32(try half()) }

        mutating func skip(_ count: Int) throws(MIKEYError) { _ = try part(count) }

        mutating func part(_ count: Int) throws(MIKEYError) -> [UInt8] {
            guard count <= rest.count else { throw .truncated }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
    }

    // MARK: writing

    /// - Parameters:
    ///   - ntp: the time now, 32.32 fixed point.
    ///   - random: sixteen random bytes.
    public func serialized(ntp: UInt64, random: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = [1, 0, Payload.timestamp, 0]
        bytes.append(bigEndian: bundle)
        bytes += [UInt8(clamping: ssrcs.count), 0]
        for ssrc in ssrcs.prefix(255) {
            bytes.append(0)
            bytes.append(bigEndian: ssrc)
            bytes.append(bigEndian: UInt32(0))
        }
        bytes += [Payload.random, 0]
        bytes.append(bigEndian: ntp)
        bytes += [Payload.policy, UInt8(clamping: random.count)] + random.prefix(255)
        // AES-CM with 128 bits, HMAC-SHA1 with 80, RTP and RTCP encrypted, RTP authenticated.
        let policy: [UInt8] = [0, 1, 1, 1, 1, 16, 2, 1, 1, 3, 1, 10, 7, 1, 1, 8, 1, 1, 10, 1, 1]
        bytes += [Payload.keyTransport, 0, 0, 0, UInt8(policy.count)] + policy
        var data: [UInt8] = [Payload.last, 0x20 | (keys.identifier.isEmpty ? 0 : 1)]
        data.append(bigEndian: UInt16(keys.key.count + keys.salt.count))
        data += keys.key + keys.salt
        if !keys.identifier.isEmpty { data += [UInt8(keys.identifier.count)] + keys.identifier }
        bytes += [Payload.last, 0]
        bytes.append(bigEndian: UInt16(data.count))
        bytes += data
        bytes.append(0)
        return bytes
    }
}
