import Conversion

/// Sound without a break, from one instant on, as Opus packets: each has the time of what it lets be heard, the encoder's own
/// delay taken off.
struct OpusLine {
    private let encoder: OpusEncoder
    /// Of the first sample, at 48 kHz.
    let origin: Int64
    /// Samples that wait for the packet to be full, channels interleaved.
    var pending: [Float] = []
    private var encodedSamples: Int64 = 0

    var channels: Int { encoder.channels }
    /// Samples of each channel that were put in.
    var sampleCount: Int64 { encodedSamples + Int64(pending.count / channels) }

    init(origin: Int64, channels: Int, bitRate: UInt32) throws(TranscodeError) {
        self.origin = origin
        encoder = try OpusEncoder(channels: channels, bitRate: bitRate)
    }

    /// Encodes what is there of whole packets.
    mutating func encode(into packets: inout [ConvertedPacket]) throws(TranscodeError) {
        let size = OpusEncoder.samplesPerPacket * channels
        var offset = 0
        while pending.count - offset >= size {
            let payload = try encoder.encode(pending, at: offset)
            let timestamp = origin + encodedSamples - Int64(encoder.lookahead)
            offset += size
            encodedSamples += Int64(OpusEncoder.samplesPerPacket)
            if let packet = ConvertedPacket(timestamp: timestamp, payload: payload) { packets.append(packet) }
        }
        pending.removeFirst(offset)
    }

    /// Encodes all that is left, the last packet filled up with silence.
    mutating func finish(into packets: inout [ConvertedPacket]) throws(TranscodeError) {
        guard sampleCount > 0 else { return }
        let size = OpusEncoder.samplesPerPacket * channels
        let count = pending.count + encoder.lookahead * channels
        let padded = (count + size - 1) / size * size
        pending.append(contentsOf: repeatElement(0, count: padded - pending.count))
        try encode(into: &packets)
    }
}
