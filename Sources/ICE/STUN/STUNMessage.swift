public import Wire

/// Why bytes are not a STUN message the agent reads.
public enum STUNError: Error, Hashable, Sendable {
    /// Shorter than a header, or longer than ``STUNMessage/maximumSize``.
    case size
    /// Leading bits or magic cookie of another protocol.
    case notSTUN
    /// The length field is not a multiple of four or differs from the datagram's size.
    case length
    /// An attribute reaches past the end of the message.
    case attributeBounds
    /// An attribute of fixed size has another one.
    case attributeSize(UInt16)
    /// Something other than the allowed follows an integrity attribute or FINGERPRINT.
    case attributeOrder(UInt16)
}

/// The 96 bits that pair a STUN response with its request.
public struct STUNTransactionID: Hashable, Sendable {
    package var high: UInt32
    package var low: UInt64

    package init(high: UInt32, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// A STUN message as offsets and plain values (RFC 8489, section 5): no heap, safe to keep after the datagram is gone.
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///     |0 0|     STUN message type     |         message length        |
///     |                         magic cookie                          |
///     |                  transaction id (96 bits)                     |
///
/// Parsing proves nothing about who sent the message: see ``integrityIsValid(in:key:authentication:scratch:)``.
/// A repeated attribute counts once, at its first place. Left out: TURN, long-term credentials, fragments.
public struct STUNMessage: Sendable {
    public enum Class: UInt8, Hashable, Sendable { case request, indication, success, error }

    package static let headerSize = 20
    /// Longer messages are refused; every known client stays far below one MTU.
    package static let maximumSize = 2048
    package static let magicCookie: UInt32 = 0x2112_A442
    package static let bindingMethod: UInt16 = 0x001
    package static let bindingRequestType: UInt16 = 0x0001
    /// RFC 8445, section 7.2.2 with fragments of 256 characters each.
    package static let maximumUsernameSize = 513
    /// How many attributes an answer of 420 lists at most.
    package static let maximumUnknownAttributes = 8

    /// Whether a datagram that is STUN is an answer to a method below 0x80, success or error.
    package static func isAnswer(_ datagram: RawSpan) -> Bool { datagram.integer(at: 0, as: UInt8.self) == 0x01 }

    public var messageClass: Class
    public var method: UInt16
    public var transactionID: STUNTransactionID
    /// Where the value of USERNAME lies in the datagram.
    public var username: Range<Int>?
    public var priority: UInt32?
    public var iceControlling: UInt64?
    public var iceControlled: UInt64?
    public var useCandidate = false
    /// The value of Chrome's NOMINATION attribute.
    public var nomination: UInt32?
    /// Where the value of XOR-MAPPED-ADDRESS lies in the datagram.
    public var xorMappedAddress: Range<Int>?
    /// The code of ERROR-CODE, 300–699 when well formed.
    public var errorCode: UInt16?
    /// Offset of the MESSAGE-INTEGRITY attribute, its type field included.
    package var messageIntegrity: Int?
    /// Offset of the MESSAGE-INTEGRITY-SHA256 attribute, its type field included.
    package var messageIntegritySHA256: Int?
    /// Offset of the FINGERPRINT attribute, its type field included.
    package var fingerprint: Int?
    package var unknownRequired = InlineArray<8, UInt16>(repeating: 0)
    package var unknownRequiredCount = 0

    /// Whether the message carries an integrity attribute of either kind; says nothing about its value.
    public var hasIntegrity: Bool { messageIntegrity != nil || messageIntegritySHA256 != nil }

    /// Reads a whole datagram strictly.
    ///
    /// - Throws: ``STUNError``; the caller counts and drops, and answers nothing.
    public init(parsing datagram: RawSpan) throws(STUNError) {
        guard datagram.byteCount <= Self.maximumSize,
            let type = datagram.integer(at: 0, as: UInt16.self),
            let length = datagram.integer(at: 2, as: UInt16.self),
            let cookie = datagram.integer(at: 4, as: UInt32.self),
            let high = datagram.integer(at: 8, as: UInt32.self),
            let low = datagram.integer(at: 12, as: UInt64.self)
        else { throw .size }
        guard type >> 14 == 0, cookie == Self.magicCookie else { throw .notSTUN }
        guard length & 3 == 0, Int(length) == datagram.byteCount - Self.headerSize else { throw .length }

        // The two class bits are interleaved with the twelve of the method (RFC 8489, section 5).
        messageClass =
            switch type & 0x0110 {
            case 0x0000: .request
            case 0x0010: .indication
            case 0x0100: .success
            default: .error
            }
        method = (type & 0x3E00) >> 2 | (type & 0x00E0) >> 1 | type & 0x000F
        transactionID = STUNTransactionID(high: high, low: low)

        var offset = Self.headerSize
        while offset < datagram.byteCount {
            guard let attribute = datagram.integer(at: offset, as: UInt16.self),
                let size = datagram.integer(at: offset + 2, as: UInt16.self)
            else { throw .attributeBounds }
            let value = offset + 4..<offset + 4 + Int(size)
            let next = (value.upperBound + 3) & ~3
            guard next <= datagram.byteCount else { throw .attributeBounds }
            try read(attribute, at: offset, value: value, of: datagram)
            offset = next
        }
    }

    private mutating func read(
        _ type: UInt16, at offset: Int, value: Range<Int>, of datagram: RawSpan
    ) throws(STUNError) {
        let attribute = STUNAttribute(rawValue: type)
        guard fingerprint == nil else { throw .attributeOrder(type) }
        if hasIntegrity, attribute != .fingerprint {
            // A client may send both kinds for old servers, the stronger one last.
            guard attribute == .messageIntegritySHA256, messageIntegritySHA256 == nil else {
                throw .attributeOrder(type)
            }
        }
        switch attribute {
        case .username:
            guard value.count <= Self.maximumUsernameSize else { throw .attributeSize(type) }
            username = username ?? value
        case .priority:
            guard value.count == 4 else { throw .attributeSize(type) }
            priority = priority ?? datagram.integer(at: value.lowerBound)
        case .iceControlling:
            guard value.count == 8 else { throw .attributeSize(type) }
            iceControlling = iceControlling ?? datagram.integer(at: value.lowerBound)
        case .iceControlled:
            guard value.count == 8 else { throw .attributeSize(type) }
            iceControlled = iceControlled ?? datagram.integer(at: value.lowerBound)
        case .useCandidate:
            guard value.isEmpty else { throw .attributeSize(type) }
            useCandidate = true
        case .nomination:
            // Not standardised: another size is somebody else's attribute and is skipped.
            if value.count == 4 { nomination = nomination ?? datagram.integer(at: value.lowerBound) }
        case .xorMappedAddress:
            guard value.count == 8 || value.count == 20 else { throw .attributeSize(type) }
            xorMappedAddress = xorMappedAddress ?? value
        case .errorCode:
            guard value.count >= 4 else { throw .attributeSize(type) }
            errorCode =
                errorCode ?? UInt16(datagram[value.lowerBound + 2] & 7) * 100
                + UInt16(datagram[value.lowerBound + 3])
        case .messageIntegrity:
            guard value.count == 20 else { throw .attributeSize(type) }
            messageIntegrity = offset
        case .messageIntegritySHA256:
            guard value.count == 32 else { throw .attributeSize(type) }
            messageIntegritySHA256 = offset
        case .fingerprint:
            guard value.count == 4 else { throw .attributeSize(type) }
            fingerprint = offset
        case .mappedAddress, .unknownAttributes, .realm, .nonce, .passwordAlgorithm, .userhash, .software,
            .googNetworkInfo:
            break
        case nil:
            if STUNAttribute.mustBeUnderstood(type), unknownRequiredCount < Self.maximumUnknownAttributes {
                unknownRequired[unknownRequiredCount] = type
                unknownRequiredCount += 1
            }
        }
    }

    /// The address in XOR-MAPPED-ADDRESS; nil when absent or of an unknown family.
    public func mappedAddress(in datagram: RawSpan) -> SocketAddress? {
        guard let value = xorMappedAddress, value.upperBound <= datagram.byteCount,
            let port = datagram.integer(at: value.lowerBound + 2, as: UInt16.self)
        else { return nil }
        let plainPort = port ^ UInt16(truncatingIfNeeded: Self.magicCookie >> 16)
        switch (datagram[value.lowerBound + 1], value.count) {
        case (1, 8):
            guard let address = datagram.integer(at: value.lowerBound + 4, as: UInt32.self) else { return nil }
            return SocketAddress(ipv4: address ^ Self.magicCookie, port: plainPort)
        case (2, 20):
            guard let high = datagram.integer(at: value.lowerBound + 4, as: UInt64.self),
                let low = datagram.integer(at: value.lowerBound + 12, as: UInt64.self)
            else { return nil }
            let mask = UInt64(Self.magicCookie) << 32 | UInt64(transactionID.high)
            return SocketAddress(ipv6High: high ^ mask, low: low ^ transactionID.low, port: plainPort)
        default:
            return nil
        }
    }
}
