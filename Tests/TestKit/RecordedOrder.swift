import Foundation
import Wire

/// A file of `Tests/Vectors/DecodingOrder`: the beginnings of what an encoder wrote, in decoding order, and the times that
/// it gave it.
public struct RecordedOrder: Sendable {
    public struct Unit: Sendable {
        /// At 90 kHz.
        public var presentation: Int64
        public var decoding: Int64
        public var nalUnits: [[UInt8]]
    }

    public static let h264 = [
        "h264-bf0", "h264-bf1", "h264-bf2", "h264-bf3-pyramid", "h264-bf4-strict", "h264-open-gop", "h264-interlaced",
        "h264-baseline", "h264-intra-refresh",
    ]
    public static let h265 = ["h265-bf0", "h265-bf2", "h265-bf4-pyramid", "h265-open-gop", "h265-closed-gop"]

    public var units: [Unit] = []

    public init(_ name: String) throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(
            path: "Vectors/DecodingOrder/\(name).txt")
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 3, let presentation = Int64(words[0]), let decoding = Int64(words[1]) else { continue }
            units.append(
                Unit(
                    presentation: presentation, decoding: decoding,
                    nalUnits: words[2].split(separator: ",").map { Self.bytes(String($0)) }))
        }
    }

    private static func bytes(_ hex: String) -> [UInt8] {
        let digits = Array(hex.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map {
            UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16) ?? 0
        }
    }
}
