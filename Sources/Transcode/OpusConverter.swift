import CAV
public import Conversion

/// Converts sound of one source to Opus: what a request is answered with.
///
/// The packets lie on the frames' time line: `timestamp / 48000` of a packet is the instant of its first audible sample, as
/// `timestamp / clockRate` of a frame is. Between a frame and its sound in a packet lie less than 20 ms for the packet to be
/// full, and 6.5 ms in the encoder.
public final class OpusConverter {
    private var format: ConversionFormat?
    private var decoder: SourceDecoder?
    private var resampler: SoundResampler?
    private var line: OpusLine?
    private var drift = DriftControl()
    /// The last frame's duration in samples of the input, which takes the place of one that cannot be decoded.
    private var usualDuration = 0
    private var stretch = 0.0

    public init() { av_log_set_level(AV_LOG_QUIET) }

    public func handle(_ request: ConversionRequest) -> [ConversionReply] {
        var replies: [ConversionReply] = []
        switch request {
        case .begin(let format):
            finish(into: &replies)
            begin(format, into: &replies)
        case .frame(let frame):
            guard let format, let decoder else { break }
            if frame.isDiscontinuous {
                finish(into: &replies)
                decoder.reset()
            }
            convert(frame, format, decoder, into: &replies)
        case .flush:
            finish(into: &replies)
            decoder?.reset()
            replies.append(.flushed)
        }
        return replies
    }

    private func begin(_ format: ConversionFormat, into replies: inout [ConversionReply]) {
        do throws(TranscodeError) {
            let decoder = try SourceDecoder(format)
            self.format = format
            self.decoder = decoder
            replies.append(
                .ready(ConversionReply.Decoder(name: decoder.name, version: SourceDecoder.libraryVersion)))
        } catch {
            self.decoder = nil
            replies.append(.fault(ConversionReply.Fault(text: error.description, isFatal: true)))
        }
    }

    private func convert(
        _ frame: ConversionFrame, _ format: ConversionFormat, _ decoder: SourceDecoder,
        into replies: inout [ConversionReply]
    ) {
        let clockRate = Double(format.clockRate)
        // Sound of this payload that was put in its place already, in seconds.
        var placed = 0.0
        do throws(TranscodeError) {
            try decoder.decode(frame.payload) { (sound) throws(TranscodeError) in
                let place = Place(timestamp: frame.timestamp, clockRate: clockRate, offset: placed)
                try put(sound, at: place, bitRate: format.bitRate, into: &replies)
                placed += Double(sound.sampleCount) / Double(sound.sampleRate)
            }
        } catch {
            replies.append(.fault(ConversionReply.Fault(text: error.description, isFatal: false)))
            let place = Place(timestamp: frame.timestamp, clockRate: clockRate, offset: placed)
            if placed == 0 { putSilence(at: place, into: &replies) }
        }
    }
}

/// Where sound belongs.
private struct Place {
    /// At 48 kHz.
    let whole: Int64
    /// Of a sample.
    let fraction: Double

    /// - Parameter offset: in seconds, behind the timestamp.
    init(timestamp: Int64, clockRate: Double, offset: Double) {
        // The product stays within 64 bits because timestamps are bounded, and exact until it is divided.
        let rate = Int64(clockRate)
        let product = timestamp * Int64(SoundResampler.outputRate)
        let floor = product >= 0 ? product / rate : -((-product + rate - 1) / rate)
        let rest = Double(product - floor * rate) / clockRate + offset * Double(SoundResampler.outputRate)
        whole = floor + Int64(rest)
        fraction = rest - Double(Int64(rest))
    }
}

extension OpusConverter {
    private func put(
        _ sound: borrowing DecodedSound, at place: Place, bitRate: UInt32, into replies: inout [ConversionReply]
    ) throws(TranscodeError) {
        if let resampler, !resampler.accepts(sound) {
            // The sound goes on in another form: parametric stereo is found in the second frame only.
            try drain(resampler)
            self.resampler = nil
        }
        let duration = Double(sound.sampleCount) * Double(SoundResampler.outputRate) / Double(sound.sampleRate)
        if resampler == nil {
            resampler = try SoundResampler(for: sound)
            stretch = 0
        }
        guard try prepare(at: place, duration: duration, into: &replies) else { return }
        if resampler == nil { resampler = try SoundResampler(for: sound) }
        guard let resampler else { return }
        if line == nil {
            line = try OpusLine(origin: place.whole, channels: resampler.channels, bitRate: bitRate)
            drift = DriftControl()
            stretch = 0
        }
        usualDuration = Int(sound.sampleCount)
        var samples: [Float] = []
        try resampler.feed(sound, into: &samples)
        try encode(samples, channels: resampler.channels, into: &replies)
    }

    private func putSilence(at place: Place, into replies: inout [ConversionReply]) {
        guard let resampler, usualDuration > 0 else { return }
        let duration = Double(usualDuration) * Double(SoundResampler.outputRate) / Double(resampler.inputRate)
        do throws(TranscodeError) {
            guard try prepare(at: place, duration: duration, into: &replies), line != nil else { return }
            try fill(usualDuration, resampler, into: &replies)
        } catch {
            replies.append(.fault(ConversionReply.Fault(text: error.description, isFatal: false)))
        }
    }

    /// Makes the line ready for sound at `place`.
    ///
    /// - Returns: whether the sound is to be put in; there may be no line, which then begins with it.
    private func prepare(
        at place: Place, duration: Double, into replies: inout [ConversionReply]
    ) throws(TranscodeError) -> Bool {
        guard let line, let resampler else { return true }
        let next = Double(line.sampleCount) + resampler.delay
        let difference = Double(place.whole - line.origin) + place.fraction - next
        switch drift.decide(difference: difference, duration: duration) {
        case .follow(let ratio):
            if ratio != stretch {
                resampler.stretch(by: ratio)
                stretch = ratio
            }
        case .fill(let gap):
            let samples = Double(gap) * Double(resampler.inputRate) / Double(SoundResampler.outputRate)
            try fill(Int(samples.rounded()), resampler, into: &replies)
        case .skip: return false
        case .restart: finish(into: &replies)
        }
        return true
    }

    /// - Parameter count: in samples of the input.
    private func fill(
        _ count: Int, _ resampler: SoundResampler, into replies: inout [ConversionReply]
    ) throws(TranscodeError) {
        var samples: [Float] = []
        try resampler.feedSilence(count, into: &samples)
        try encode(samples, channels: resampler.channels, into: &replies)
    }

    private func encode(
        _ samples: [Float], channels: Int, into replies: inout [ConversionReply]
    ) throws(TranscodeError) {
        var packets: [ConvertedPacket] = []
        try line?.append(samples, channels: channels)
        try line?.encode(into: &packets)
        for packet in packets { replies.append(.packet(packet)) }
    }

    /// Puts what the resampler holds back into the line.
    private func drain(_ resampler: SoundResampler) throws(TranscodeError) {
        var samples: [Float] = []
        try resampler.drain(into: &samples)
        try line?.append(samples, channels: resampler.channels)
    }

    /// Gives out what is held back. The next sound begins a line of its own.
    private func finish(into replies: inout [ConversionReply]) {
        do throws(TranscodeError) {
            if let resampler { try drain(resampler) }
            var packets: [ConvertedPacket] = []
            try line?.finish(into: &packets)
            for packet in packets { replies.append(.packet(packet)) }
        } catch {
            replies.append(.fault(ConversionReply.Fault(text: error.description, isFatal: false)))
        }
        line = nil
        resampler = nil
    }
}
