import Wire

/// The beginning of an AC-3 or E-AC-3 sync frame (ETSI TS 102 366, 4.3 and E.1.2): how long it is.
public struct AC3Header: Hashable, Sendable {
    /// Bytes of the whole sync frame.
    public var frameSize: Int
    public var sampleRate: UInt32
    public var samplesPerFrame: Int
    public var isEnhanced: Bool
    /// Whether it belongs to the frame before it: a dependent substream of E-AC-3.
    public var isDependent = false

    private static let bitrates = [
        32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
    ]
    private static let sampleRates: [UInt32] = [48_000, 44_100, 32_000]
    private static let blocks = [1, 2, 3, 6]

    /// nil when `bytes` begin with no sync frame.
    public init?(parsing bytes: RawSpan) {
        guard bytes.byteCount >= 6, bytes[0] == 0x0B, bytes[1] == 0x77 else { return nil }
        let identification = bytes[5] >> 3
        let rateCode = Int(bytes[4] >> 6)
        isEnhanced = identification > 10
        if isEnhanced {
            guard identification <= 16 else { return nil }
            isDependent = bytes[2] >> 6 == 1
            frameSize = (Int(bytes[2] & 7) << 8 | Int(bytes[3])) * 2 + 2
            let second = Int(bytes[4] >> 4 & 3)
            if rateCode == 3 {
                guard second < 3 else { return nil }
                sampleRate = Self.sampleRates[second] / 2
                samplesPerFrame = 6 * 256
            } else {
                sampleRate = Self.sampleRates[rateCode]
                samplesPerFrame = Self.blocks[second] * 256
            }
        } else {
            let code = Int(bytes[4] & 0x3F)
            guard rateCode < 3, code < 2 * Self.bitrates.count else { return nil }
            sampleRate = Self.sampleRates[rateCode]
            samplesPerFrame = 6 * 256
            // Words of two bytes; at 44.1 kHz every other frame is one word longer.
            var words = Self.bitrates[code / 2] * 96_000 / Int(sampleRate)
            if rateCode == 1, code & 1 == 1 { words += 1 }
            frameSize = words * 2
        }
        guard frameSize >= 6 else { return nil }
    }
}
