import CAV
import Wire

/// One decoder of libavcodec.
@safe
final class AudioDecoder {
    /// What libavcodec has to be told of a stream before its first frame.
    struct Description {
        var decoder: String
        /// 0 where the stream itself tells.
        var sampleRate: Int32 = 0
        var channels: Int32 = 0
        var extradata: [UInt8] = []
    }

    private static let sampleRates: ClosedRange<Int32> = 4_000...192_000
    private static let maximumChannels: Int32 = 8
    /// Per channel and frame; PCM in the largest message has fewer.
    private static let maximumSamples: Int64 = 65_536

    private let context: UnsafeMutablePointer<AVCodecContext>
    private let packet: UnsafeMutablePointer<AVPacket>
    private let frame: UnsafeMutablePointer<AVFrame>
    /// The frame with the padding behind it that decoders may read.
    private var input: [UInt8] = []

    init(_ description: Description) throws(TranscodeError) {
        guard let codec = unsafe avcodec_find_decoder_by_name(description.decoder) else {
            throw .missingDecoder(description.decoder)
        }
        guard let context = unsafe avcodec_alloc_context3(codec) else { throw .outOfMemory }
        guard let packet = unsafe av_packet_alloc(), let frame = unsafe av_frame_alloc() else { throw .outOfMemory }
        unsafe self.context = context
        unsafe self.packet = packet
        unsafe self.frame = frame
        unsafe context.pointee.thread_count = 1
        unsafe context.pointee.max_samples = Self.maximumSamples
        unsafe context.pointee.err_recognition = CAV_crcCheck
        if description.sampleRate > 0 { unsafe context.pointee.sample_rate = description.sampleRate }
        if description.channels > 0 {
            unsafe av_channel_layout_default(&context.pointee.ch_layout, description.channels)
        }
        if !description.extradata.isEmpty {
            let count = description.extradata.count
            guard let memory = unsafe av_mallocz(count + Int(CAV_inputPadding)) else { throw .outOfMemory }
            unsafe memory.copyMemory(from: description.extradata, byteCount: count)
            unsafe context.pointee.extradata = memory.assumingMemoryBound(to: UInt8.self)
            unsafe context.pointee.extradata_size = Int32(count)
        }
        let status = unsafe avcodec_open2(context, codec, nil)
        guard status >= 0 else { throw .libav("the decoder '\(description.decoder)' does not begin", status) }
    }

    deinit {
        // Each of these takes the address of the variable, frees what it points to, and sets it to NULL.
        var context: UnsafeMutablePointer<AVCodecContext>? = unsafe context
        var packet: UnsafeMutablePointer<AVPacket>? = unsafe packet
        var frame: UnsafeMutablePointer<AVFrame>? = unsafe frame
        unsafe avcodec_free_context(&context)
        unsafe av_packet_free(&packet)
        unsafe av_frame_free(&frame)
    }

    /// Decodes one frame and lends what comes out of it, which may be nothing.
    func decode(
        _ payload: RawSpan, _ body: (borrowing DecodedSound) throws(TranscodeError) -> Void
    ) throws(TranscodeError) {
        input.removeAll(keepingCapacity: true)
        input.append(contentsOf: payload)
        input.append(contentsOf: repeatElement(0, count: Int(CAV_inputPadding)))
        var status: CInt = 0
        unsafe input.withUnsafeMutableBufferPointer { bytes in
            unsafe packet.pointee.data = bytes.baseAddress
            unsafe packet.pointee.size = Int32(bytes.count - Int(CAV_inputPadding))
            status = unsafe avcodec_send_packet(context, packet)
            unsafe packet.pointee.data = nil
            unsafe packet.pointee.size = 0
        }
        guard status >= 0 else { throw .libav("a frame cannot be decoded", status) }
        while true {
            status = unsafe avcodec_receive_frame(context, frame)
            if status == CAV_again() || status == CAV_endOfFile { return }
            guard status >= 0 else { throw .libav("a frame cannot be decoded", status) }
            defer { unsafe av_frame_unref(frame) }
            let sound = unsafe DecodedSound(frame)
            guard Self.sampleRates.contains(sound.sampleRate), sound.sampleCount > 0,
                (1...Self.maximumChannels).contains(sound.channels)
            else {
                reset()
                throw .unusableFormat("a frame says \(sound.channels) channels at \(sound.sampleRate) Hz")
            }
            do throws(TranscodeError) {
                try body(sound)
            } catch {
                // What else the frame gave would be in the way of the next.
                reset()
                throw error
            }
        }
    }

    /// Forgets what came before.
    func reset() { unsafe avcodec_flush_buffers(context) }
}

/// Samples as a decoder puts them out, in its own rate, layout and type. Lent; must not outlive the call.
@safe
struct DecodedSound: ~Copyable {
    let frame: UnsafeMutablePointer<AVFrame>

    init(_ frame: UnsafeMutablePointer<AVFrame>) { unsafe self.frame = frame }

    var sampleRate: Int32 { unsafe frame.pointee.sample_rate }
    /// Of each channel.
    var sampleCount: Int32 { unsafe frame.pointee.nb_samples }
    var channels: Int32 { unsafe frame.pointee.ch_layout.nb_channels }
}
