public import Codecs

extension AudioSpecificConfig {
    /// The configuration as ``ConversionCodec/aac`` wants it, with SBR and PS announced explicitly (ISO/IEC 14496-3,
    /// 1.6.2.1): for those that were read out of a StreamMuxConfig, where they do not begin at a byte.
    public var bytes: [UInt8] {
        var bits = Bits()
        if extendedSampleRate != nil {
            bits.append(hasParametricStereo ? 29 : 5, 5)
        } else {
            bits.append(UInt32(objectType), 5)
        }
        bits.append(rate: sampleRate)
        bits.append(UInt32(channels == 8 ? 7 : channels), 4)
        if let extendedSampleRate {
            bits.append(rate: extendedSampleRate)
            bits.append(UInt32(objectType), 5)
        }
        // GASpecificConfig: frame length, no core coder, no extension.
        bits.append(samplesPerFrame == 960 ? 1 : 0, 1)
        bits.append(0, 2)
        return bits.bytes
    }
}

private struct Bits {
    private static let sampleRates: [UInt32] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ]

    private(set) var bytes: [UInt8] = []
    private var count = 0

    mutating func append(_ value: UInt32, _ width: Int) {
        for shift in (0..<width).reversed() {
            if count % 8 == 0 { bytes.append(0) }
            bytes[count / 8] |= UInt8(value >> UInt32(shift) & 1) << UInt8(7 - count % 8)
            count += 1
        }
    }

    mutating func append(rate: UInt32) {
        if let index = Self.sampleRates.firstIndex(of: rate) {
            append(UInt32(index), 4)
        } else {
            append(15, 4)
            append(rate, 24)
        }
    }
}
