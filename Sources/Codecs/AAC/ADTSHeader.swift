import Wire

/// The header of an ADTS frame (ISO/IEC 14496-3, 1.A.2), which has no place in RTP but is found there (PAY-41).
public struct ADTSHeader: Hashable, Sendable {
    /// What every frame of a stream has in common.
    public struct Stream: Hashable, Sendable {
        /// 1 Main, 2 LC, 3 SSR, 4 LTP.
        public var objectType: UInt8
        public var sampleRateIndex: UInt8
        /// 0 where the frames themselves describe their channels.
        public var channelConfiguration: UInt8

        /// What a decoder is set up with instead (1.6.2.1); nil where the channels are not told.
        public var configuration: [UInt8]? {
            guard channelConfiguration > 0 else { return nil }
            return [
                objectType << 3 | sampleRateIndex >> 1, (sampleRateIndex & 1) << 7 | channelConfiguration << 3,
            ]
        }

        /// Whether `configuration` says the same of the core; of SBR and PS these headers say nothing.
        public func agrees(with configuration: AudioSpecificConfig) -> Bool {
            guard
                let own = self.configuration.flatMap({ bytes in
                    bytes.withBytes { try? AudioSpecificConfig(parsing: $0) }
                })
            else { return true }
            return own.objectType == configuration.objectType && own.sampleRate == configuration.sampleRate
                && own.channels == configuration.channels
        }
    }

    public var stream: Stream
    /// Bytes of the header: 7, or 9 with a checksum.
    public var size: Int
    /// Bytes of header and frame.
    public var frameSize: Int

    private static let sampleRateCount = 13

    /// nil when `bytes` begin with no ADTS header.
    public init?(parsing bytes: RawSpan) {
        guard bytes.byteCount >= 7, bytes[0] == 0xFF, bytes[1] & 0xF6 == 0xF0 else { return nil }
        stream = Stream(
            objectType: bytes[2] >> 6 + 1, sampleRateIndex: bytes[2] >> 2 & 15,
            channelConfiguration: bytes[2] << 2 & 4 | bytes[3] >> 6)
        size = bytes[1] & 1 == 1 ? 7 : 9
        frameSize = Int(bytes[3] & 3) << 11 | Int(bytes[4]) << 3 | Int(bytes[5] >> 5)
        guard frameSize >= size, stream.sampleRateIndex < Self.sampleRateCount else { return nil }
    }
}
