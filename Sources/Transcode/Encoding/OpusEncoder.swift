import COpus

/// libopus: packets of 20 ms.
@safe
final class OpusEncoder {
    static let samplesPerPacket = 960
    private static let sampleRate: Int32 = 48_000
    /// What RFC 6716 allows a frame; no setting makes one packet of one frame larger.
    private static let maximumPacketSize = 1_275 + 3
    /// Which makes the encoder rely less on earlier packets; in percent.
    private static let expectedLoss: Int32 = 5
    /// From here on sound is coded by CELT whatever it is. Left to itself the encoder, told to make up for
    /// losses, changes between SILK and CELT as it takes the sound for a voice or not, and each change is heard: 6 % of
    /// distortion for 50 ms, and a move of 50 µs.
    private static let musicBitRate: UInt32 = 64_000

    let channels: Int
    /// How far behind its input the encoder's output is, in samples.
    let lookahead: Int
    private let encoder: OpaquePointer
    /// Whether the next packets need nothing of those before them.
    var isIndependent = false {
        didSet { _ = unsafe COpus_setIndependence(encoder, isIndependent ? 1 : 0) }
    }

    init(channels: Int, bitRate: UInt32) throws(TranscodeError) {
        var status: CInt = 0
        let made = unsafe opus_encoder_create(Self.sampleRate, Int32(channels), OPUS_APPLICATION_AUDIO, &status)
        guard let made = unsafe made, status == OPUS_OK else {
            throw Self.failure("the Opus encoder does not begin", status)
        }
        self.channels = channels
        unsafe encoder = made
        var lookahead: Int32 = 0
        _ = unsafe COpus_lookahead(made, &lookahead)
        self.lookahead = Int(lookahead)
        status = unsafe COpus_setBitRate(made, Int32(clamping: bitRate))
        guard status == OPUS_OK else { throw Self.failure("the bit rate \(bitRate)", status) }
        _ = unsafe COpus_setForwardErrorCorrection(made, 1)
        _ = unsafe COpus_setExpectedLoss(made, Self.expectedLoss)
        if bitRate >= Self.musicBitRate { _ = unsafe COpus_expectMusic(made) }
    }

    /// As in "libopus 1.3.1".
    static var libraryVersion: String { unsafe String(cString: opus_get_version_string()) }

    deinit { unsafe opus_encoder_destroy(encoder) }

    private static func failure(_ what: String, _ status: CInt) -> TranscodeError {
        .failed(what, reason: unsafe String(cString: opus_strerror(status)))
    }

    /// - Parameters:
    ///   - samples: channels interleaved.
    ///   - offset: where the packet's samples begin; ``samplesPerPacket`` of each channel must follow.
    func encode(_ samples: [Float], at offset: Int) throws(TranscodeError) -> [UInt8] {
        precondition(offset >= 0 && samples.count - offset >= Self.samplesPerPacket * channels)
        var status: CInt = 0
        let packet = unsafe [UInt8](unsafeUninitializedCapacity: Self.maximumPacketSize) { buffer, count in
            unsafe samples.withUnsafeBufferPointer { samples in
                guard let start = samples.baseAddress, let out = buffer.baseAddress else { return }
                status = unsafe opus_encode_float(
                    encoder, start + offset, Int32(Self.samplesPerPacket), out, Int32(buffer.count))
            }
            count = max(0, Int(status))
        }
        guard status > 0 else { throw Self.failure("sound cannot be encoded", status) }
        return packet
    }
}
