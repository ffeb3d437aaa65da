import Codecs
import Conversion
import Foundation
import TestKit
import Testing
import Wire

/// A file of `Tests/Vectors/Sound` or sound that is made up: 1.5 s, in which a tone of 1 kHz begins at 0.25 s and ends at
/// 1.25 s.
struct SoundFixture: Sendable, CustomTestStringConvertible {
    static let onset = 0.25
    static let end = 1.25

    var format: ConversionFormat
    var frames: [ConversionFrame]
    /// Of a frame, in ticks.
    var ticks: Int64
    private(set) var testDescription: String

    /// - Parameter padding: samples that the encoder put before the sound, which FFmpeg's timestamps take off.
    private init(
        _ name: String, _ codec: ConversionCodec, rate: UInt32, clockRate: UInt32? = nil, channels: UInt8,
        configuration: [UInt8] = [], samplesPerFrame: Int64, padding: Int64, cut: (RawSpan) -> Range<Int>?
    ) {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(
            path: "Vectors/Sound/\(name)")
        let bytes = Array((try? Data(contentsOf: file)) ?? Data())
        let clock = clockRate ?? rate
        format = ConversionFormat(codec: codec, clockRate: clock, channels: channels, configuration: configuration)
        ticks = samplesPerFrame * Int64(clock) / Int64(rate)
        testDescription = name
        frames = []
        var offset = 0
        while let range = bytes.withBytes({ cut($0.extracting(offset..<bytes.count)) }), !range.isEmpty {
            let samples = Int64(frames.count) * samplesPerFrame - padding
            frames.append(
                ConversionFrame(
                    timestamp: (samples * Int64(clock) + Int64(rate) / 2) / Int64(rate),
                    payload: Array(bytes[offset + range.lowerBound..<offset + range.upperBound])))
            offset += range.upperBound
        }
    }

    /// Linear sound, cut into frames of 20 ms; `sound` tells the sample at an instant in seconds.
    init(
        linear rate: UInt32 = 48_000, channels: Int = 2, seconds: Double, frame: Double = 0.02,
        sound: (Double) -> Double
    ) {
        format = ConversionFormat(codec: .l16, clockRate: rate, channels: UInt8(channels))
        testDescription = "L16 \(rate)"
        let perFrame = Int(Double(rate) * frame)
        ticks = Int64(perFrame)
        frames = (0..<Int(seconds / frame)).map { index in
            var payload: [UInt8] = []
            for sample in index * perFrame..<(index + 1) * perFrame {
                let value = Int16(32_767 * sound(Double(sample) / Double(rate)))
                for _ in 0..<channels { payload.append(bigEndian: value) }
            }
            return ConversionFrame(timestamp: Int64(index * perFrame), payload: payload)
        }
    }

    static func tone(_ instant: Double) -> Double { 0.5 * sin(2 * .pi * 1_000 * instant) }

    static func burst(_ instant: Double) -> Double { instant < onset || instant >= end ? 0 : tone(instant - onset) }

    private static func adts(_ bytes: RawSpan) -> Range<Int>? {
        ADTSHeader(parsing: bytes).flatMap { $0.frameSize <= bytes.byteCount ? $0.size..<$0.frameSize : nil }
    }

    /// LOAS: a sync word of 11 bits, a length of 13.
    private static func loas(_ bytes: RawSpan) -> Range<Int>? {
        guard let word = bytes.integer(at: 0, as: UInt32.self), word >> 21 == 0x2B7 else { return nil }
        let size = Int(word >> 8 & 0x1FFF)
        return 3 + size <= bytes.byteCount ? 3..<3 + size : nil
    }

    private static func mpeg(_ bytes: RawSpan) -> Range<Int>? {
        MPEGAudioHeader(parsing: bytes).flatMap { $0.frameSize <= bytes.byteCount ? 0..<$0.frameSize : nil }
    }

    private static func syncFrame(_ bytes: RawSpan) -> Range<Int>? {
        AC3Header(parsing: bytes).flatMap { $0.frameSize <= bytes.byteCount ? 0..<$0.frameSize : nil }
    }

    static let aac = SoundFixture(
        "aac-48000-stereo.adts", .aac, rate: 48_000, channels: 2, configuration: [0x11, 0x90], samplesPerFrame: 1_024,
        padding: 1_024, cut: adts)
    static let mp3 = SoundFixture(
        "mp3-44100-stereo.mp3", .mpegAudio, rate: 44_100, clockRate: 90_000, channels: 2, samplesPerFrame: 1_152,
        padding: 1_105, cut: mpeg)
    static let mp2 = SoundFixture(
        "mp2-48000-stereo.mp2", .mpegAudio, rate: 48_000, clockRate: 90_000, channels: 2, samplesPerFrame: 1_152,
        padding: 481, cut: mpeg)
    static let monoMP2 = SoundFixture(
        "mp2-48000-mono.mp2", .mpegAudio, rate: 48_000, clockRate: 90_000, channels: 1, samplesPerFrame: 1_152,
        padding: 481, cut: mpeg)
    static let latm = SoundFixture(
        "aac-48000-stereo.latm", .aacLATMInBand, rate: 48_000, channels: 2, samplesPerFrame: 1_024, padding: 1_024,
        cut: loas)
    static let ac3 = SoundFixture(
        "ac3-48000-stereo.ac3", .ac3, rate: 48_000, channels: 2, samplesPerFrame: 1_536, padding: 256, cut: syncFrame)
    /// HE-AAC, announced as what it is or as its core alone: the frames are the same.
    private static func highEfficiency(_ name: String, _ signalling: String, _ configuration: [UInt8]) -> SoundFixture {
        var fixture = SoundFixture(
            name, .aac, rate: 24_000, clockRate: 48_000, channels: 2, configuration: configuration,
            samplesPerFrame: 1_024, padding: 1_024 + 481, cut: adts)
        fixture.testDescription = "\(name), \(signalling)"
        return fixture
    }
    static let recorded: [SoundFixture] = [
        aac,
        highEfficiency("he-aac-48000-mono.adts", "implicit", [0x13, 0x08]),
        highEfficiency("he-aac-48000-mono.adts", "explicit", [0x2B, 0x09, 0x88, 0x00]),
        highEfficiency("he-aac-v2-48000-stereo.adts", "implicit", [0x13, 0x08]),
        highEfficiency("he-aac-v2-48000-stereo.adts", "explicit", [0xEB, 0x09, 0x88, 0x00]),
        SoundFixture(
            "aac-44100-stereo.adts", .aac, rate: 44_100, channels: 2, configuration: [0x12, 0x10],
            samplesPerFrame: 1_024, padding: 1_024, cut: adts),
        SoundFixture(
            "aac-16000-mono.adts", .aac, rate: 16_000, channels: 1, configuration: [0x14, 0x08],
            samplesPerFrame: 1_024, padding: 1_024, cut: adts),
        latm,
        mp3,
        mp2, monoMP2,
        ac3,
        SoundFixture(
            "eac3-48000-surround.eac3", .eac3, rate: 48_000, channels: 6, samplesPerFrame: 1_536, padding: 256,
            cut: syncFrame),
    ]
    static let linear: [SoundFixture] = [
        SoundFixture(linear: 48_000, channels: 2, seconds: 1.5, sound: burst),
        SoundFixture(linear: 44_100, channels: 2, seconds: 1.5, sound: burst),
        SoundFixture(linear: 16_000, channels: 1, seconds: 1.5, sound: burst),
    ]
}
