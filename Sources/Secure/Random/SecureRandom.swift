internal import COpenSSL

/// Random numbers fit for keys, credentials and identifiers: OpenSSL's generator, seeded by the system.
///
/// Should the generator fail, which OpenSSL documents only for a system without entropy, the program stops:
/// going on with predictable keys would be worse.
public enum SecureRandom {
    public static func fill(_ bytes: inout MutableRawSpan) {
        unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress, let count = CInt(exactly: buffer.count) else { return }
            let filled = unsafe RAND_bytes(base.assumingMemoryBound(to: UInt8.self), count)
            precondition(filled == 1, "no random numbers")
        }
    }

    public static func bytes(_ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        unsafe bytes.withUnsafeMutableBytes { buffer in
            var span = unsafe buffer.mutableBytes
            fill(&span)
        }
        return bytes
    }

    public static func uint32() -> UInt32 { UInt32(truncatingIfNeeded: uint64()) }

    public static func uint64() -> UInt64 {
        var value: UInt64 = 0
        let filled = unsafe withUnsafeMutableBytes(of: &value) { buffer in
            unsafe RAND_bytes(buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), 8)
        }
        precondition(filled == 1, "no random numbers")
        return value
    }

    /// ``SecureRandom`` for the standard library's `random(in:using:)` and `shuffled(using:)`.
    public struct Generator: RandomNumberGenerator, Sendable {
        public init() {}
        public mutating func next() -> UInt64 { SecureRandom.uint64() }
    }
}
