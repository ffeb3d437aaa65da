import CAV

/// Why sound cannot be converted, for an operator.
public enum TranscodeError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The installed libavcodec was built without it.
    case missingDecoder(String)
    /// What a source describes, or what came out of its decoder, that no sound has.
    case unusableFormat(String)
    /// What a library says.
    case failed(String, reason: String)
    case outOfMemory

    public var description: String {
        switch self {
        case .missingDecoder(let name): "the installed libavcodec has no decoder '\(name)'"
        case .unusableFormat(let text): text
        case .failed(let what, let reason): "\(what): \(reason)"
        case .outOfMemory: "there is no memory left"
        }
    }

    static func libav(_ what: String, _ status: CInt) -> TranscodeError {
        if status == CAV_noMemory() { return .outOfMemory }
        let text = unsafe [CChar](unsafeUninitializedCapacity: Int(AV_ERROR_MAX_STRING_SIZE)) { buffer, count in
            unsafe buffer.initialize(repeating: 0)
            _ = unsafe av_strerror(status, buffer.baseAddress, buffer.count)
            count = unsafe buffer.firstIndex(of: 0) ?? buffer.count
        }
        return .failed(what, reason: String(decoding: text.map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
}
