import Codecs
import Wire

/// Sound as it comes out of the converter.
public struct ConvertedPacket: Hashable, Sendable {
    /// At 48 kHz, on the time line of the frames: it stands to 48 000 as theirs to their clock rate.
    public var timestamp: Int64
    /// One Opus packet (RFC 6716), which always reads.
    public let payload: [UInt8]
    /// Samples at 48 kHz.
    public let duration: Int

    /// nil when the payload is no Opus packet.
    public init?(timestamp: Int64, payload: [UInt8]) {
        guard let packet = payload.withBytes({ OpusPacket(parsing: $0) }) else { return nil }
        self.timestamp = timestamp
        self.payload = payload
        duration = packet.sampleCount
    }
}

/// What the converter answers.
public enum ConversionReply: Hashable, Sendable {
    public struct Decoder: Hashable, Sendable {
        /// As an operator knows it: "aac", "pcm_s16be".
        public var name: String
        /// Of the library it is in.
        public var version: String

        public init(name: String, version: String) {
            self.name = name
            self.version = version
        }
    }

    public struct Fault: Hashable, Sendable {
        /// For the operator.
        public var text: String
        /// Whether the conversion is over until another `begin`; else one frame alone is lost, and silence takes its place.
        public var isFatal: Bool

        public init(text: String, isFatal: Bool) {
            self.text = text
            self.isFatal = isFatal
        }
    }

    case ready(Decoder)
    case packet(ConvertedPacket)
    case fault(Fault)
    /// The answer to ``ConversionRequest/flush``, behind the last packet.
    case flushed

    private enum Kind {
        static let ready: UInt8 = 0x81
        static let packet: UInt8 = 0x82
        static let fault: UInt8 = 0x83
        static let flushed: UInt8 = 0x84
    }

    public init(parsing message: RawSpan) throws(ConversionError) {
        var fields = try ConversionFields(message)
        switch fields.kind {
        case Kind.ready:
            let size = Int(try fields.read(message, as: UInt16.self))
            let name = try fields.text(message, size)
            self = .ready(Decoder(name: name, version: try fields.text(message)))
        case Kind.packet:
            let timestamp = try fields.timestamp(message)
            guard let packet = ConvertedPacket(timestamp: timestamp, payload: try fields.array(message)) else {
                throw .outOfRange(.payload)
            }
            self = .packet(packet)
        case Kind.fault:
            let flags = try fields.read(message, as: UInt8.self)
            guard flags <= 1 else { throw .outOfRange(.flags) }
            self = .fault(Fault(text: try fields.text(message), isFatal: flags == 1))
        case Kind.flushed:
            self = .flushed
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
        case .ready(let decoder):
            var bytes = conversionHeader(Kind.ready)
            let name = boundedText(decoder.name)
            bytes.append(bigEndian: UInt16(name.count))
            return bytes + name + boundedText(decoder.version)
        case .packet(let packet):
            try checkTimestamp(packet.timestamp)
            var bytes = conversionHeader(Kind.packet)
            bytes.append(bigEndian: packet.timestamp)
            return try finishedMessage(bytes + packet.payload)
        case .fault(let fault):
            return conversionHeader(Kind.fault) + [fault.isFatal ? 1 : 0] + boundedText(fault.text)
        case .flushed:
            return conversionHeader(Kind.flushed)
        }
    }
}
