import CAV
import Codecs
import Conversion
import Wire

/// The decoder of a conversion's source: libavcodec, and what it has to be told.
final class SourceDecoder {
    let name: String
    private let isLATM: Bool
    private var latm: LATMReader
    private var latmConfiguration: StreamMuxConfig?
    /// nil while in-band LATM has not told its configuration.
    private var decoder: AudioDecoder?

    init(_ format: ConversionFormat) throws(TranscodeError) {
        var description = AudioDecoder.Description(decoder: "")
        latm = LATMReader(configuration: nil, isInBand: true)
        var isLATM = false
        switch format.codec {
        case .aac:
            description.decoder = "aac"
            description.extradata = format.configuration
        case .aacLATM, .aacLATMInBand:
            isLATM = true
            description.decoder = "aac"
            let announced = try Self.muxConfiguration(format.configuration)
            latm = LATMReader(configuration: announced, isInBand: format.codec == .aacLATMInBand)
        case .mpegAudio: description.decoder = "mp3float"
        case .ac3: description.decoder = "ac3"
        case .eac3: description.decoder = "eac3"
        case .l16: description.decoder = "pcm_s16be"
        case .l24: description.decoder = "pcm_s24be"
        case .pcmu: description.decoder = "pcm_mulaw"
        case .pcma: description.decoder = "pcm_alaw"
        case .g722: description.decoder = "g722"
        }
        switch format.codec {
        case .l16, .l24, .pcmu, .pcma:
            description.sampleRate = Int32(format.clockRate)
            description.channels = Int32(format.channels)
        case .g722:
            description.sampleRate = 16_000
            description.channels = Int32(format.channels)
        case .aac, .aacLATM, .aacLATMInBand, .mpegAudio, .ac3, .eac3: break
        }
        name = description.decoder
        self.isLATM = isLATM
        if isLATM { try followLATM() } else { decoder = try AudioDecoder(description) }
    }

    private static func muxConfiguration(_ bytes: [UInt8]) throws(TranscodeError) -> StreamMuxConfig? {
        guard !bytes.isEmpty else { return nil }
        do throws(StreamMuxConfig.Failure) {
            return try bytes.withBytes { (bytes: RawSpan) throws(StreamMuxConfig.Failure) in
                try StreamMuxConfig(parsing: bytes)
            }
        } catch {
            throw .unusableFormat("the StreamMuxConfig cannot be used: \(error)")
        }
    }

    /// Makes the decoder anew when the configuration has changed.
    private func followLATM() throws(TranscodeError) {
        guard latm.configuration != latmConfiguration, let configuration = latm.configuration else { return }
        decoder = try AudioDecoder(AudioDecoder.Description(decoder: name, extradata: configuration.audio.bytes))
        latmConfiguration = configuration
    }

    /// Decodes one payload and lends what comes out of it, which may be nothing.
    func decode(
        _ payload: [UInt8], _ body: (borrowing DecodedSound) throws(TranscodeError) -> Void
    ) throws(TranscodeError) {
        guard isLATM else {
            return try payload.withBytes { (bytes: RawSpan) throws(TranscodeError) in
                try decoder?.decode(bytes, body)
            }
        }
        let frames: [[UInt8]]
        do throws(StreamMuxConfig.Failure) {
            frames = try payload.withBytes { (bytes: RawSpan) throws(StreamMuxConfig.Failure) in
                try latm.frames(in: bytes)
            }
        } catch {
            throw .unusableFormat("an AudioMuxElement cannot be read: \(error)")
        }
        try followLATM()
        for frame in frames where !frame.isEmpty {
            try frame.withBytes { (bytes: RawSpan) throws(TranscodeError) in try decoder?.decode(bytes, body) }
        }
    }

    func reset() { decoder?.reset() }

    /// Of libavcodec, as in "59.37.100".
    static var libraryVersion: String {
        let version = CAV_codecVersion()
        return "\(version >> 16).\(version >> 8 & 0xFF).\(version & 0xFF)"
    }
}
