import Wire

/// One access unit or packet of sound on its way to the converter.
public struct ConversionFrame: Hashable, Sendable {
    /// In the clock of the format; unwrapped, and continuous as long as `isDiscontinuous` says nothing else.
    public var timestamp: Int64
    /// Whether the sound has nothing to do with what came before: decoder and time line begin anew, and what was held back
    /// is given out first.
    public var isDiscontinuous: Bool
    public var payload: [UInt8]

    public init(timestamp: Int64, isDiscontinuous: Bool = false, payload: [UInt8]) {
        self.timestamp = timestamp
        self.isDiscontinuous = isDiscontinuous
        self.payload = payload
    }
}

/// What the server tells the converter.
public enum ConversionRequest: Hashable, Sendable {
    /// The first message; another one later begins anew with another format, and what was held back is given out first.
    ///
    /// Answered by ``ConversionReply/ready(_:)`` or a fatal fault.
    case begin(ConversionFormat)
    /// A gap in the timestamps is silence up to a bound, beyond it the time line begins anew.
    case frame(ConversionFrame)
    /// There will be no more frames for now: what was held back is given out, the last packet filled up with silence, then
    /// comes ``ConversionReply/flushed``. Frames may follow as after a discontinuity.
    case flush

    private enum Kind {
        static let begin: UInt8 = 1
        static let frame: UInt8 = 2
        static let flush: UInt8 = 3
    }

    public init(parsing message: RawSpan) throws(ConversionError) {
        var fields = try ConversionFields(message)
        switch fields.kind {
        case Kind.begin:
            guard let codec = ConversionCodec(rawValue: try fields.read(message)) else { throw .outOfRange(.codec) }
            let clockRate = try fields.read(message, as: UInt32.self)
            let channels = try fields.read(message, as: UInt8.self)
            let bitRate = try fields.read(message, as: UInt32.self)
            let format = ConversionFormat(
                codec: codec, clockRate: clockRate, channels: channels, configuration: try fields.array(message),
                bitRate: bitRate)
            try format.check()
            self = .begin(format)
        case Kind.frame:
            let flags = try fields.read(message, as: UInt8.self)
            guard flags <= 1 else { throw .outOfRange(.flags) }
            let timestamp = try fields.timestamp(message)
            let payload = try fields.array(message)
            guard !payload.isEmpty else { throw .outOfRange(.payload) }
            self = .frame(ConversionFrame(timestamp: timestamp, isDiscontinuous: flags == 1, payload: payload))
        case Kind.flush:
            self = .flush
        default:
            throw .unknownKind(fields.kind)
        }
        try fields.finish(message)
    }

    /// The message's bytes, one datagram.
    ///
    /// - Throws: where a field is out of range, as reading it would.
    public func encoded() throws(ConversionError) -> [UInt8] {
        switch self {
        case .begin(let format):
            try format.check()
            var bytes = conversionHeader(Kind.begin)
            bytes.append(format.codec.rawValue)
            bytes.append(bigEndian: format.clockRate)
            bytes.append(format.channels)
            bytes.append(bigEndian: format.bitRate)
            return try finishedMessage(bytes + format.configuration)
        case .frame(let frame):
            try checkTimestamp(frame.timestamp)
            guard !frame.payload.isEmpty else { throw .outOfRange(.payload) }
            var bytes = conversionHeader(Kind.frame)
            bytes.reserveCapacity(11 + frame.payload.count)
            bytes.append(frame.isDiscontinuous ? 1 : 0)
            bytes.append(bigEndian: frame.timestamp)
            bytes += frame.payload
            return try finishedMessage(bytes)
        case .flush:
            return conversionHeader(Kind.flush)
        }
    }
}
