import Wire

/// Whether a message of H.264 or H.265 says that decoding can begin at the picture it belongs to: the recovery point
/// SEI (H.264, D.1.8; H.265, D.2.8). Encoders with intra refresh send it instead of IDR pictures.
public enum RecoveryPoint {
    private static let payloadType: UInt8 = 6
    /// More messages than this are in no unit of live media.
    private static let maximumMessages = 16

    /// - Parameters:
    ///   - unit: an SEI NAL unit.
    ///   - headerSize: bytes of its header: 1 for H.264, 2 for H.265.
    public static func isIn(_ unit: RawSpan, headerSize: Int) -> Bool {
        var offset = headerSize
        for _ in 0..<maximumMessages {
            guard let type = unit.integer(at: offset, as: UInt8.self) else { return false }
            if type == payloadType { return true }
            // Types and sizes of 255 and more take further bytes; the type of no message sought does.
            while unit.integer(at: offset, as: UInt8.self) == 0xFF { offset += 1 }
            offset += 1
            var size = 0
            while let byte = unit.integer(at: offset, as: UInt8.self) {
                offset += 1
                size += Int(byte)
                if byte != 0xFF { break }
            }
            offset += size
        }
        return false
    }
}
