import COpus
import Conversion
import Foundation
import Testing

@testable import Transcode

/// What a viewer hears of the packets, by libopus, and where it lies on the time line.
struct Heard {
    /// Of the first channel.
    private(set) var samples: [Float] = []
    /// Of the first sample, at 48 kHz.
    let origin: Int64
    /// Whether each packet begins where the one before it ended.
    private(set) var isContinuous = true

    init(_ packets: [ConvertedPacket]) throws {
        origin = packets.first?.timestamp ?? 0
        var status: CInt = 0
        let made = unsafe opus_decoder_create(48_000, 1, &status)
        guard let decoder = unsafe made else { throw TranscodeError.outOfMemory }
        defer { unsafe opus_decoder_destroy(decoder) }
        for packet in packets {
            if packet.timestamp != origin + Int64(samples.count) { isContinuous = false }
            let room = packet.duration
            let decoded = unsafe [Float](unsafeUninitializedCapacity: room) { buffer, count in
                guard let start = buffer.baseAddress else { return }
                count = unsafe Int(
                    opus_decode_float(
                        decoder, packet.payload, Int32(packet.payload.count), start, Int32(room), 0))
            }
            #expect(decoded.count == room)
            samples += decoded
        }
    }

    var end: Int64 { origin + Int64(samples.count) }

    /// - Parameters:
    ///   - instant: in seconds on the time line.
    ///   - duration: in seconds.
    func part(_ instant: Double, _ duration: Double) -> ArraySlice<Float> {
        let start = Int((instant * 48_000).rounded()) - Int(origin)
        let count = Int(duration * 48_000)
        guard start >= 0, start + count <= samples.count else { return [] }
        return samples[start..<start + count]
    }

    func level(_ instant: Double, _ duration: Double) -> Double {
        let part = part(instant, duration)
        guard !part.isEmpty else { return .nan }
        return (part.reduce(0) { $0 + Double($1) * Double($1) } / Double(part.count)).squareRoot()
    }

    /// Where the level first rises above half of the tone's, in seconds, to a millisecond.
    var onset: Double? {
        let wanted = level(0.6, 0.2) / 2
        let start = Double(origin) / 48_000
        return stride(from: start, to: Double(end) / 48_000 - 0.001, by: 0.000_25).first { level($0, 0.001) > wanted }
    }

    struct Tone {
        var level: Double
        /// Of the rest to the tone.
        var distortion: Double
        /// In seconds by which the tone is late, known but for whole periods.
        var lateness: Double
    }

    /// Fits a tone whose phase is 0 at `reference`, and measures what is left.
    func tone(_ frequency: Double = 1_000, from instant: Double, for duration: Double, reference: Double) -> Tone {
        let part = part(instant, duration)
        let first = (instant * 48_000).rounded() / 48_000
        var sums = (sine: 0.0, cosine: 0.0, all: 0.0, mean: 0.0)
        for (index, sample) in part.enumerated() {
            let phase = 2 * .pi * frequency * (first + Double(index) / 48_000 - reference)
            sums.sine += Double(sample) * sin(phase)
            sums.cosine += Double(sample) * cos(phase)
            sums.all += Double(sample) * Double(sample)
        }
        let count = Double(part.count)
        let a = 2 * sums.sine / count
        let b = 2 * sums.cosine / count
        let power = (a * a + b * b) / 2
        let rest = max(0, sums.all / count - power)
        return Tone(
            level: power.squareRoot(), distortion: (rest / power).squareRoot(),
            lateness: -atan2(b, a) / (2 * .pi * frequency))
    }
}

/// A converter with the packets and faults that came out of it.
struct Conversation {
    let converter = OpusConverter()
    var packets: [ConvertedPacket] = []
    var faults: [ConversionReply.Fault] = []
    var decoders: [ConversionReply.Decoder] = []
    var flushes = 0

    init() {}

    /// A whole conversion.
    init(_ fixture: SoundFixture) {
        send(.begin(fixture.format))
        for frame in fixture.frames { send(.frame(frame)) }
        send(.flush)
    }

    mutating func send(_ request: ConversionRequest) {
        for reply in converter.handle(request) {
            switch reply {
            case .ready(let decoder): decoders.append(decoder)
            case .packet(let packet): packets.append(packet)
            case .fault(let fault): faults.append(fault)
            case .flushed: flushes += 1
            }
        }
    }
}
