import CAV

/// libswresample: to 48 kHz, one channel where the source has one and two where it has more, a little faster or slower on
/// demand.
@safe
final class SoundResampler {
    static let outputRate = 48_000
    /// Over which a compensation is spread; it is set anew long before, so this is its resolution: 2 ppm.
    private static let compensationDistance: Int32 = 480_000
    /// Parts of a sample in which delays are asked for.
    private static let delayResolution: Int64 = 64
    private static let silenceChunk: Int32 = 1_024

    let channels: Int
    let inputRate: Int32
    private let context: OpaquePointer
    private let inputFormat: Int32
    private var inputLayout = unsafe AVChannelLayout()
    /// A frame without a sound, in the decoder's own format.
    private let silence: UnsafeMutablePointer<AVFrame>

    init(for sound: borrowing DecodedSound) throws(TranscodeError) {
        let channels = sound.channels == 1 ? 1 : 2
        guard let context = unsafe CAV_resampler(sound.frame, Int32(channels), Int32(Self.outputRate)) else {
            throw .unusableFormat("\(sound.channels) channels at \(sound.sampleRate) Hz cannot be resampled")
        }
        guard let silence = unsafe av_frame_alloc() else { throw .outOfMemory }
        self.channels = channels
        unsafe self.context = context
        unsafe self.silence = silence
        inputRate = sound.sampleRate
        inputFormat = unsafe sound.frame.pointee.format
        unsafe silence.pointee.format = inputFormat
        unsafe silence.pointee.sample_rate = inputRate
        unsafe silence.pointee.nb_samples = Self.silenceChunk
        guard unsafe av_channel_layout_copy(&inputLayout, &sound.frame.pointee.ch_layout) >= 0,
            unsafe av_channel_layout_copy(&silence.pointee.ch_layout, &sound.frame.pointee.ch_layout) >= 0,
            unsafe av_frame_get_buffer(silence, 0) >= 0,
            unsafe av_samples_set_silence(
                silence.pointee.extended_data, 0, Self.silenceChunk, sound.channels, AVSampleFormat(inputFormat)) >= 0
        else { throw .outOfMemory }
    }

    deinit {
        var context: OpaquePointer? = unsafe context
        var silence: UnsafeMutablePointer<AVFrame>? = unsafe silence
        unsafe swr_free(&context)
        unsafe av_frame_free(&silence)
        unsafe av_channel_layout_uninit(&inputLayout)
    }

    /// Whether this resampler is made for what `sound` is.
    func accepts(_ sound: borrowing DecodedSound) -> Bool {
        unsafe sound.sampleRate == inputRate && sound.frame.pointee.format == inputFormat
            && av_channel_layout_compare(&inputLayout, &sound.frame.pointee.ch_layout) == 0
    }

    /// How much sound is held back, in samples of the output.
    var delay: Double {
        let base = Int64(Self.outputRate) * Self.delayResolution
        return unsafe Double(swr_get_delay(context, base)) / Double(Self.delayResolution)
    }

    /// - Parameter output: to which the samples are appended, channels interleaved.
    func feed(_ sound: borrowing DecodedSound, into output: inout [Float]) throws(TranscodeError) {
        try unsafe convert(sound.frame, into: &output)
    }

    /// - Parameter count: in samples of the input.
    func feedSilence(_ count: Int, into output: inout [Float]) throws(TranscodeError) {
        var left = count
        while left > 0 {
            let chunk = min(left, Int(Self.silenceChunk))
            unsafe silence.pointee.nb_samples = Int32(chunk)
            try unsafe convert(silence, into: &output)
            left -= chunk
        }
    }

    /// Puts out what is held back. Nothing may be fed afterwards.
    func drain(into output: inout [Float]) throws(TranscodeError) {
        try unsafe convert(nil, into: &output)
    }

    private func convert(_ frame: UnsafeMutablePointer<AVFrame>?, into output: inout [Float]) throws(TranscodeError) {
        let room = unsafe swr_get_out_samples(context, frame?.pointee.nb_samples ?? 0)
        guard room >= 0 else { throw .libav("resampling", room) }
        var status: CInt = 0
        let samples = unsafe [Float](unsafeUninitializedCapacity: max(1, Int(room) * channels)) { buffer, count in
            status = unsafe CAV_resample(context, buffer.baseAddress, room, frame)
            count = max(0, Int(status)) * channels
        }
        guard status >= 0 else { throw .libav("resampling", status) }
        output += samples
    }

    /// Makes the output longer by `ratio` from now on, shorter where it is negative: 0.01 is one percent.
    func stretch(by ratio: Double) {
        let samples = Int32((ratio * Double(Self.compensationDistance)).rounded())
        _ = unsafe swr_set_compensation(context, samples, samples == 0 ? 0 : Self.compensationDistance)
    }
}
