/// An AudioMuxElement with muxConfigPresent (ISO/IEC 14496-3, 1.7.3) and one frame, fewer than 255 bytes.
///
/// - Parameter rateIndex: the sampling rate of AAC LC in stereo, as a configuration has it; nil for the configuration that
///   came before.
public func audioMuxElement(_ frame: [UInt8], rateIndex: Int? = nil) -> [UInt8] {
    var bits = BitWriter()
    if let rateIndex {
        bits.write(0, 1)
        // StreamMuxConfig: version 0, same framing, one frame, one program, one layer.
        bits.write(0, 1)
        bits.write(1, 1)
        bits.write(0, 6 + 4 + 3)
        // AudioSpecificConfig: LC, stereo.
        bits.write(2, 5)
        bits.write(rateIndex, 4)
        bits.write(2, 4)
        bits.write(0, 3)
        // Variable frame length, buffer fullness, no other data, no checksum.
        bits.write(0, 3)
        bits.write(0xFF, 8)
        bits.write(0, 2)
    } else {
        bits.write(1, 1)
    }
    bits.write(frame.count, 8)
    for byte in frame { bits.write(Int(byte), 8) }
    return bits.bytes
}
