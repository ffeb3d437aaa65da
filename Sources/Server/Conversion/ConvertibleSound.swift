import Codecs
import Conversion
import RTP
import Streams

/// Why viewers get no sound where there is some.
enum SoundRefusal: Hashable, Sendable {
    case switchedOff
    case unknownFormat
    /// The description has no configuration, and neither has the stream so far.
    case noConfiguration
    case noTranscoder(setting: String)
    /// As many transcoders run as may.
    case tooManyTranscoders(limit: Int)
    /// The transcoder could not begin, and said why.
    case failed(String)

    var reason: String {
        switch self {
        case .switchedOff: "convertAudio is off for this path"
        case .unknownFormat: "it cannot be converted in this version"
        case .noConfiguration: "neither its description nor the stream tells its configuration"
        case .noTranscoder(let setting):
            setting.isEmpty
                ? "martlet-transcoder is neither beside the server nor in PATH"
                : "\(setting) cannot be executed"
        case .tooManyTranscoders(let limit): "as many transcoders run as may: \(limit) (maxTranscoders)"
        case .failed(let text): text
        }
    }

    var advice: String {
        switch self {
        case .switchedOff: "set convertAudio to yes, or publish Opus"
        case .unknownFormat, .noConfiguration:
            "publish AAC with its config in the description, or Opus, PCMU or PCMA"
        case .noTranscoder: "install martlet-transcoder beside the server, or set transcoder to its path"
        case .tooManyTranscoders: "raise maxTranscoders if the machine allows it, or publish Opus"
        case .failed: "check what the publisher sends; publish Opus where that is possible"
        }
    }
}

extension TrackFormat {
    /// Whether it is sound that browsers do not take.
    var isForeignSound: Bool { codec == .otherAudio }

    /// What people call it.
    var soundName: String {
        switch encodingName.uppercased() {
        case "MPEG4-GENERIC": "AAC"
        case "MP4A-LATM": "AAC (LATM)"
        case "MPA": "MPEG audio"
        case "AC3": "AC-3"
        case "EAC3": "E-AC-3"
        default: encodingName.escapedForDisplay(limit: 40)
        }
    }

    /// What a decoder is set up with, as far as the description tells; empty where it does not.
    var announcedConfiguration: [UInt8] { payloadDescription.audioSpecificConfig ?? [] }

    /// Whether the stream may say what a decoder is set up with: LATM, whose default that is (RFC 6416, section 7.1), and AAC
    /// whose frames have headers of their own (PAY-41).
    var tellsConfigurationInBand: Bool {
        switch encodingName.uppercased() {
        case "MP4A-LATM": payloadDescription.parameter("cpresent") != "0"
        case "MPEG4-GENERIC": true
        default: false
        }
    }

    /// What foreign sound is converted to. Browsers know Opus with two channels only (RFC 7587, section 7).
    static let convertedSound = TrackFormat(
        codec: .opus, channels: 2, parameters: [Parameter(name: "sprop-stereo", value: "1")])
}

extension ConversionFormat {
    /// What the frames of a track are to the transcoder; nil where it does not know them.
    ///
    /// - Parameter configuration: of AAC, empty while it is not known.
    init?(_ format: TrackFormat, configuration: [UInt8], bitRate: UInt32) {
        let codec: ConversionCodec
        switch format.encodingName.uppercased() {
        case "MPEG4-GENERIC", "MP4A-LATM":
            // Of both, the frames come without what was around them.
            guard !configuration.isEmpty else { return nil }
            codec = .aac
        case "MPA": codec = .mpegAudio
        case "AC3": codec = .ac3
        case "EAC3": codec = .eac3
        case "L16": codec = .l16
        case "L24": codec = .l24
        // At another rate or with more channels than browsers know.
        case "PCMU": codec = .pcmu
        case "PCMA": codec = .pcma
        default: return nil
        }
        guard Self.clockRates.contains(format.clockRate), (0...Int(Self.maximumChannels)).contains(format.channels),
            configuration.count <= Self.maximumConfigurationSize
        else { return nil }
        self.init(
            codec: codec, clockRate: format.clockRate, channels: UInt8(clamping: format.channels),
            configuration: configuration, bitRate: bitRate)
    }
}
