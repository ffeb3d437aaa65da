internal import COpenSSL
internal import Wire

/// HMAC-SHA1 under one key, whose two padded key blocks are hashed once instead of per message.
/// Authenticating allocates nothing.
struct HMACSHA1: ~Copyable {
    static let blockSize = 64
    private var inner = SHA_CTX()
    private var outer = SHA_CTX()

    init(key: RawSpan) {
        var block = InlineArray<64, UInt8>(repeating: 0)
        if key.byteCount > Self.blockSize {
            unsafe key.withUnsafeBytes { key in
                unsafe block.withMutableBytes { _ = unsafe SHA1(key.baseAddress, key.count, $0) }
            }
        } else {
            for offset in 0..<key.byteCount { block[offset] = key[offset] }
        }
        for offset in block.indices { block[offset] ^= 0x36 }
        unsafe SHA1_Init(&inner)
        unsafe block.withMutableBytes { _ = unsafe SHA1_Update(&inner, $0, Self.blockSize) }
        for offset in block.indices { block[offset] ^= 0x36 ^ 0x5C }
        unsafe SHA1_Init(&outer)
        unsafe block.withMutableBytes {
            _ = unsafe SHA1_Update(&outer, $0, Self.blockSize)
            unsafe OPENSSL_cleanse($0, Self.blockSize)
        }
    }

    /// Overwrites what the key left behind; the value authenticates nothing after that.
    mutating func erase() {
        unsafe OPENSSL_cleanse(&inner, MemoryLayout<SHA_CTX>.size)
        unsafe OPENSSL_cleanse(&outer, MemoryLayout<SHA_CTX>.size)
    }

    borrowing func authenticate(_ message: RawSpan, into tag: inout InlineArray<20, UInt8>) {
        unsafe message.withUnsafeBytes { bytes in
            unsafe tag.withMutableBytes { unsafe authenticate(bytes, trailer: nil, into: $0) }
        }
    }

    /// Authenticates `message`, followed by the four bytes of `trailer` when there is one; writes 20 bytes to `tag`.
    @unsafe
    borrowing func authenticate(
        _ message: UnsafeRawBufferPointer, trailer: UInt32?, into tag: UnsafeMutablePointer<UInt8>
    ) {
        var state = inner
        unsafe SHA1_Update(&state, message.baseAddress, message.count)
        if let trailer {
            var bytes = trailer.bigEndian
            unsafe SHA1_Update(&state, &bytes, 4)
        }
        unsafe SHA1_Final(tag, &state)
        state = outer
        unsafe SHA1_Update(&state, tag, 20)
        unsafe SHA1_Final(tag, &state)
    }
}

/// HMAC-SHA256 under one key; like ``HMACSHA1``.
struct HMACSHA256: ~Copyable {
    private var inner = SHA256_CTX()
    private var outer = SHA256_CTX()

    init(key: RawSpan) {
        var block = InlineArray<64, UInt8>(repeating: 0)
        if key.byteCount > 64 {
            unsafe key.withUnsafeBytes { key in
                unsafe block.withMutableBytes { _ = unsafe SHA256(key.baseAddress, key.count, $0) }
            }
        } else {
            for offset in 0..<key.byteCount { block[offset] = key[offset] }
        }
        for offset in block.indices { block[offset] ^= 0x36 }
        unsafe SHA256_Init(&inner)
        unsafe block.withMutableBytes { _ = unsafe SHA256_Update(&inner, $0, 64) }
        for offset in block.indices { block[offset] ^= 0x36 ^ 0x5C }
        unsafe SHA256_Init(&outer)
        unsafe block.withMutableBytes {
            _ = unsafe SHA256_Update(&outer, $0, 64)
            unsafe OPENSSL_cleanse($0, 64)
        }
    }

    borrowing func authenticate(_ message: RawSpan, into tag: inout InlineArray<32, UInt8>) {
        var state = inner
        unsafe message.withUnsafeBytes { _ = unsafe SHA256_Update(&state, $0.baseAddress, $0.count) }
        unsafe tag.withMutableBytes { tag in
            unsafe SHA256_Final(tag, &state)
            state = outer
            unsafe SHA256_Update(&state, tag, 32)
            unsafe SHA256_Final(tag, &state)
        }
    }
}

extension InlineArray where Element == UInt8 {
    /// Lends the bytes for C to write; at least one byte long by the use here.
    @unsafe
    mutating func withMutableBytes<R>(_ body: (UnsafeMutablePointer<UInt8>) -> R) -> R {
        var span = mutableSpan
        return unsafe span.withUnsafeMutableBufferPointer { buffer in
            // An array of fixed, non-zero length always has an address.
            unsafe body(buffer.baseAddress.unsafelyUnwrapped)
        }
    }
}
