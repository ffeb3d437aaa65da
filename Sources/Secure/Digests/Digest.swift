internal import COpenSSL
internal import Wire

/// SHA-2, MD5 and HMAC of bytes at hand.
///
/// The variants that write into an `InlineArray` allocate nothing; the others return a fresh array.
public enum Digest {
    public static func sha256(_ message: RawSpan) -> [UInt8] {
        var state = SHA256_CTX()
        unsafe SHA256_Init(&state)
        unsafe message.withUnsafeBytes { _ = unsafe SHA256_Update(&state, $0.baseAddress, $0.count) }
        return unsafe output(32) { unsafe SHA256_Final($0, &state) }
    }

    public static func sha384(_ message: RawSpan) -> [UInt8] {
        var state = SHA512_CTX()
        unsafe SHA384_Init(&state)
        unsafe message.withUnsafeBytes { _ = unsafe SHA384_Update(&state, $0.baseAddress, $0.count) }
        return unsafe output(48) { unsafe SHA384_Final($0, &state) }
    }

    public static func sha512(_ message: RawSpan) -> [UInt8] {
        var state = SHA512_CTX()
        unsafe SHA512_Init(&state)
        unsafe message.withUnsafeBytes { _ = unsafe SHA512_Update(&state, $0.baseAddress, $0.count) }
        return unsafe output(64) { unsafe SHA512_Final($0, &state) }
    }

    /// MD5, 16 bytes. Only for protocols that leave no choice: Digest authentication of RTSP.
    public static func md5(_ message: RawSpan) -> [UInt8] {
        var state = MD5_CTX()
        unsafe MD5_Init(&state)
        unsafe message.withUnsafeBytes { _ = unsafe MD5_Update(&state, $0.baseAddress, $0.count) }
        return unsafe output(16) { unsafe MD5_Final($0, &state) }
    }

    /// HMAC-SHA1 (RFC 2104), 20 bytes.
    public static func hmacSHA1(key: RawSpan, _ message: RawSpan) -> [UInt8] {
        var tag = InlineArray<20, UInt8>(repeating: 0)
        hmacSHA1(key: key, message, into: &tag)
        return (0..<20).map { tag[$0] }
    }

    /// HMAC-SHA256 (RFC 2104), 32 bytes.
    public static func hmacSHA256(key: RawSpan, _ message: RawSpan) -> [UInt8] {
        var tag = InlineArray<32, UInt8>(repeating: 0)
        hmacSHA256(key: key, message, into: &tag)
        return (0..<32).map { tag[$0] }
    }

    public static func hmacSHA1(key: RawSpan, _ message: RawSpan, into tag: inout InlineArray<20, UInt8>) {
        HMACSHA1(key: key).authenticate(message, into: &tag)
    }

    public static func hmacSHA256(key: RawSpan, _ message: RawSpan, into tag: inout InlineArray<32, UInt8>) {
        HMACSHA256(key: key).authenticate(message, into: &tag)
    }

    private static func output(_ count: Int, _ finish: (UnsafeMutablePointer<UInt8>?) -> CInt) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            _ = unsafe finish(buffer.baseAddress)
            initialized = count
        }
    }
}

/// Compares without telling by its duration where the first difference lies. Different lengths are unequal.
public func constantTimeEquals(_ left: RawSpan, _ right: RawSpan) -> Bool {
    guard left.byteCount == right.byteCount else { return false }
    return unsafe left.withUnsafeBytes { left in
        unsafe right.withUnsafeBytes { right in
            unsafe CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0
        }
    }
}
