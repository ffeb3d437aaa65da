import Codecs
import Testing

/// What encoders really wrote for one picture of a known size: x264, x265, libvpx, libaom, SVT-AV1 and rav1e
/// through FFmpeg.
struct Golden: CustomTestStringConvertible, Sendable {
    let name: String
    let resolution: VideoResolution
    let bytes: [UInt8]

    init(_ name: String, _ width: Int, _ height: Int, _ hex: String) {
        self.name = name
        resolution = VideoResolution(width: width, height: height)
        bytes = [UInt8](hex: hex)
    }

    var testDescription: String { "\(name) \(resolution.width)x\(resolution.height)" }

    /// SPS NAL units.
    static let h264: [Golden] = [
        Golden(
            "yuv420p baseline", 16, 16,
            "6742c00ad91e84000003000400000300f03c489920"),
        Golden(
            "yuv420p main", 64, 64,
            "674d400aeca21342000003000200000300781e244b2c"),
        Golden(
            "yuv420p baseline", 176, 144,
            "6742c00bd902c4e840000003004000000f03c50a92"),
        Golden(
            "yuv420p high", 130, 98,
            "6764000bacd9424fe222210000030001000003003c0f142996"),
        Golden(
            "yuv420p main", 320, 240,
            "674d400deca0a0fd08000003000800000301e078a14cb0"),
        Golden(
            "yuv420p high", 854, 480,
            "6764001facd940d83de6e10000030001000003003c0f183196"),
        Golden(
            "yuv420p high", 1280, 720,
            "6764001facd9405005ba10000003001000000303c0f1831960"),
        Golden(
            "yuv420p baseline", 1366, 768,
            "6742c020d90056061e6e10000003001000000303c0f1832480"),
        Golden(
            "yuv420p high", 1920, 1080,
            "67640028acd940780227e584000003000400000300f03c60c658"),
        Golden(
            "yuv420p main", 1080, 1920,
            "674d4028eca02201e3cbc2000003000200000300781e30632c"),
        Golden(
            "yuv420p high", 3840, 2160,
            "67640033acd9403c0043e840000003004000000f03c60c6580"),
        Golden(
            "yuv420p high", 7680, 4320,
            "6764003cacd9401e00087684000003000400000300f03c20106580"),
        Golden(
            "yuv420p high interlaced=1", 1920, 1080,
            "67640028acd94078044fdc20000003002000000783e2c5b2c0"),
        Golden(
            "yuv420p main tff=1", 720, 576,
            "674d401feca05a126840000003004000000f07c58b6580"),
        Golden(
            "yuv422p high422", 130, 99,
            "677a000bbcd9424fe223a10000030001000003003c0f142996"),
        Golden(
            "yuv444p high444", 131, 99,
            "67f4000b919b2849fc747420000003002000000781e28532c0"),
        Golden(
            "yuv420p10le high10", 1920, 1080,
            "676e0028a6cd940780227e5840000003004000000f03c60c6580"),
        Golden(
            "gray high", 322, 242,
            "6764000df36505421e3e3e10000003001000000303c0f1429960"),
        Golden(
            "yuv420p high cqm=jvt", 640, 360,
            "6764001eacd940a02ff9610000030001000003003c0f162d96"),
    ]

    /// SPS NAL units.
    static let h265: [Golden] = [
        Golden(
            "yuv420p", 64, 64,
            "42010101600000030090000003000003001ea020810596566924cae68080000003008000000f04"),
        Golden(
            "yuv420p", 176, 144,
            "42010101600000030090000003000003003ca0162024596566924cae6808000003000800000300f040"),
        Golden(
            "yuv420p", 130, 98,
            "42010101600000030090000003000003001ea0112069c9265959a4932b9a020000030002000003003c10"),
        Golden(
            "yuv420p", 1280, 720,
            "42010101600000030090000003000003005da00280802d165959a4932b9a020000030002000003003c10"),
        Golden(
            "yuv420p", 1920, 1080,
            "420101016000000300900000030000030078a003c08010e596566924cae68080000003008000000f04"),
        Golden(
            "yuv420p", 1080, 1920,
            "420101016000000300900000030000030078a0021c801e0596566924cae68080000003008000000f04"),
        Golden(
            "yuv420p high-tier=1", 3840, 2160,
            "420101216000000300900000030000030099a001e020021c596566924cae6808000003000800000300f040"),
        Golden(
            "yuv422p", 130, 99,
            "4201010408000003009d0800000300001eb0112069c9365959a4932b9a020000030002000003003c10"),
        Golden(
            "yuv444p", 131, 99,
            "4201010408000003009e0800000300001e9002240d39a6cb2b349265734040000003004000000782"),
        Golden(
            "yuv420p10le", 854, 480,
            "42010102200000030090000003000003005aa006b201e1d6d96566924cae6808000003000800000300f040"),
        Golden(
            "gray", 322, 242,
            "4201010408000003009fc800000300003cc029203e73cf96566924cae68080000003008000000f04"),
        Golden(
            "yuv420p temporal-layers=3", 640, 360,
            "42010101600000030090000003000003003fa00502016965959a4932b9a020000003002000000303c1"),
    ]

    /// The first bytes of keyframes.
    static let vp8: [Golden] = [
        Golden(
            "", 16, 16,
            "f002009d012a10001000004708858588"),
        Golden(
            "", 175, 143,
            "5008009d012aaf008f00004708858588"),
        Golden(
            "", 640, 360,
            "5034009d012a8002680101c708858588"),
        Golden(
            "", 1920, 1080,
            "90b7019d012a800738040bc708858588"),
    ]

    /// The first bytes of keyframes.
    static let vp9: [Golden] = [
        Golden(
            "yuv420p", 16, 16,
            "824983420000f000f60038241c184a0000306000"),
        Golden(
            "yuv420p", 175, 143,
            "82498342000ae008e60038241c184a000070620c"),
        Golden(
            "yuv420p", 1920, 1080,
            "824983420077f043760038241c184a180040620c"),
        Golden(
            "yuv444p", 640, 360,
            "a24983420004fe02cec0070483830942000c61f6"),
        Golden(
            "yuv420p10le", 640, 360,
            "924983420013f80b3b001c120e0c2c080038620c"),
        Golden(
            "yuv422p10le", 640, 360,
            "b124c1a102013f80b3b001c120e0c2c080038062"),
        Golden(
            "gbrp", 320, 240,
            "a2498342e013f00ef60038241c184a00009061f6"),
    ]

    /// The first bytes of temporal units that begin with a sequence header.
    static let av1: [Golden] = [
        Golden(
            "yuv420p libaom-av1", 16, 16,
            "12000a0a000000019ff9b5f2008032151000c000000280000000a98e599e008693a46336a4"),
        Golden(
            "yuv420p libaom-av1", 175, 143,
            "12000a0b00000003bd7471b5f20080321c100090000000a0002001c57865e07b5b95acf4f6bc3460594ab42b80"),
        Golden(
            "yuv420p libaom-av1", 1920, 1080,
            "12000a0b00000042abbfc3732be4013236100090000000a0002001c57865e07b5b95acf4f6bc346092b3782743e887a2"),
        Golden(
            "yuv444p libaom-av1", 640, 360,
            "12000a0b2000000cc4ff6736be40803230100090000000a0002001c57865db6eda0490c273e40f87767b4de69e66068a"),
        Golden(
            "yuv420p10le libaom-av1", 640, 360,
            "12000a0b0000000cc4ff6736be5010322d100090000000a0002001c57865e07b5b95acf4f6bb6abe3175c68652c73a1c"),
        Golden(
            "yuv420p libsvtav1", 1280, 720,
            "12000a0b0000002d4cffb3cfbf9004324610008ce080000400080095cdfd9422c196268435b7c279a9ff3ca2e4fdb892"),
        Golden(
            "yuv420p librav1e", 1280, 720,
            "12000a0e000000faa67fd9e210a88101010a3263100227c8e27ebb78d800042a03eb000000000000104104041044b456"),
        Golden(
            "yuv420p libaom-av1 still", 320, 240,
            "12000a071821e7fded004032201200000014000401c57865e07b5b95acf4f6bc346092a939b92508a2dc601f80"),
    ]
}

extension [UInt8] {
    /// Bytes from an even number of hexadecimal digits.
    init(hex: String) {
        let digits = hex.compactMap { $0.hexDigitValue }
        self = stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}
