internal import COpenSSL
internal import Wire

/// Session keys from master keys with AES-CM as the pseudo-random function and a key derivation rate of zero
/// (RFC 3711, section 4.3; RFC 6188 for 256-bit keys; RFC 7714, section 11, for 96-bit salts).
enum SRTPKeyDerivation {
    enum Label: UInt8 {
        case encryption = 0
        case authentication
        case salt
        case controlEncryption
        case controlAuthentication
        case controlSalt
    }

    /// Long enough for every session key: 32 bytes for AES-256.
    typealias Output = InlineArray<32, UInt8>

    /// Derives `count` bytes into the front of the result. The caller overwrites the result after use.
    static func derive(
        _ label: Label, count: Int, key: SecretBytes, salt: SecretBytes
    ) throws(SecureError) -> Output {
        guard salt.count <= 14, count <= 32 else { throw .keyLength }
        var counter = InlineArray<16, UInt8>(repeating: 0)
        salt.withBytes { salt in
            for offset in 0..<salt.byteCount { counter[offset] = salt[offset] }
        }
        counter[7] ^= label.rawValue

        let cipher = key.count == 32 ? unsafe EVP_aes_256_ctr() : unsafe EVP_aes_128_ctr()
        guard key.count == 32 || key.count == 16 else { throw .keyLength }
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw ErrorQueue.failure("EVP_CIPHER_CTX_new") }
        defer { unsafe EVP_CIPHER_CTX_free(context) }

        // The key stream itself is the output, so zeros are encrypted in place.
        var output = Output(repeating: 0)
        let succeeded = key.withBytes { key in
            unsafe key.withUnsafeBytes { key in
                unsafe counter.withMutableBytes { counter in
                    unsafe output.withMutableBytes { output in
                        var written: CInt = 0
                        let keyBytes = unsafe key.baseAddress?.assumingMemoryBound(to: UInt8.self)
                        return unsafe EVP_EncryptInit_ex(context, cipher, nil, keyBytes, counter) == 1
                            && EVP_EncryptUpdate(context, output, &written, output, CInt(count)) == 1
                    }
                }
            }
        }
        guard succeeded else { throw ErrorQueue.failure("SRTP key derivation") }
        return output
    }
}

/// The session keys of RTP or of RTCP in one direction, each at the front of its array.
struct SRTPSessionKeys {
    static let authenticationLength = 20

    var encryption: SRTPKeyDerivation.Output
    var salt: SRTPKeyDerivation.Output
    /// Used by the profiles with SHA-1 only.
    var authentication: SRTPKeyDerivation.Output

    init(_ stream: SRTPCipher.Stream, masterKey key: SecretBytes, masterSalt salt: SecretBytes) throws(SecureError) {
        let isRTP = stream == .rtp
        encryption = try SRTPKeyDerivation.derive(
            isRTP ? .encryption : .controlEncryption, count: key.count, key: key, salt: salt)
        self.salt = try SRTPKeyDerivation.derive(
            isRTP ? .salt : .controlSalt, count: salt.count, key: key, salt: salt)
        authentication = try SRTPKeyDerivation.derive(
            isRTP ? .authentication : .controlAuthentication, count: Self.authenticationLength, key: key, salt: salt)
    }

    mutating func erase() {
        unsafe encryption.withMutableBytes { unsafe OPENSSL_cleanse($0, 32) }
        unsafe salt.withMutableBytes { unsafe OPENSSL_cleanse($0, 32) }
        unsafe authentication.withMutableBytes { unsafe OPENSSL_cleanse($0, 32) }
    }
}
