import Conversion

/// Sound without a break, from one instant on, as Opus packets: each has the time of what it lets be heard, the encoder's own
/// delay taken off.
struct OpusLine {
    /// Of the first sample, at 48 kHz.
    let origin: Int64
    private let bitRate: UInt32
    private var encoder: OpusEncoder
    /// Samples that wait for the packet to be full, channels interleaved.
    private var pending: [Float] = []
    /// Those of the last packet.
    private var history: [Float] = []
    private var encodedSamples: Int64 = 0

    /// Samples of each channel that were put in.
    var sampleCount: Int64 { encodedSamples + Int64(pending.count / encoder.channels) }

    /// - Parameter channels: one or two, at first.
    init(origin: Int64, channels: Int, bitRate: UInt32) throws(TranscodeError) {
        self.origin = origin
        self.bitRate = bitRate
        encoder = try OpusEncoder(channels: channels, bitRate: bitRate)
    }

    /// - Parameter channels: of `samples`, interleaved: one or two. Where it changes, another encoder goes on.
    mutating func append(_ samples: [Float], channels: Int) throws(TranscodeError) {
        if channels != encoder.channels { try change(to: channels) }
        pending += samples
    }

    /// An encoder of one channel and one of two share no state, and libopus takes the beginning of sound for silence when an
    /// encoder of two is held to one. The new one hears the last packet's sound first, so that nothing is missing between, and
    /// begins with a packet that leans on none before it.
    private mutating func change(to channels: Int) throws(TranscodeError) {
        encoder = try OpusEncoder(channels: channels, bitRate: bitRate)
        pending = Self.convert(pending, to: channels)
        history = Self.convert(history, to: channels)
        if !history.isEmpty {
            _ = try encoder.encode(history, at: 0)
            encoder.isIndependent = true
        }
    }

    private static func convert(_ samples: [Float], to channels: Int) -> [Float] {
        channels == 2
            ? samples.flatMap { [$0, $0] }
            : stride(from: 0, to: samples.count - 1, by: 2).map { (samples[$0] + samples[$0 + 1]) / 2 }
    }

    /// Encodes what is there of whole packets.
    mutating func encode(into packets: inout [ConvertedPacket]) throws(TranscodeError) {
        let size = OpusEncoder.samplesPerPacket * encoder.channels
        var offset = 0
        while pending.count - offset >= size {
            let payload = try encoder.encode(pending, at: offset)
            if encoder.isIndependent { encoder.isIndependent = false }
            let timestamp = origin + encodedSamples - Int64(encoder.lookahead)
            offset += size
            encodedSamples += Int64(OpusEncoder.samplesPerPacket)
            if let packet = ConvertedPacket(timestamp: timestamp, payload: payload) { packets.append(packet) }
        }
        guard offset > 0 else { return }
        history = Array(pending[offset - size..<offset])
        pending.removeFirst(offset)
    }

    /// Encodes all that is left, the last packet filled up with silence.
    mutating func finish(into packets: inout [ConvertedPacket]) throws(TranscodeError) {
        guard sampleCount > 0 else { return }
        let size = OpusEncoder.samplesPerPacket * encoder.channels
        let count = pending.count + encoder.lookahead * encoder.channels
        let padded = (count + size - 1) / size * size
        pending.append(contentsOf: repeatElement(0, count: padded - pending.count))
        try encode(into: &packets)
    }
}
