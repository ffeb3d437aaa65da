internal import COpenSSL
internal import Wire

/// The session keys of one direction of RTP or of RTCP, and the two transforms that use them.
///
/// One OpenSSL cipher context lives as long as the key and only its IV changes, so that a packet costs no
/// allocation. Where RTP and RTCP differ is in the trailer word: RTP authenticates its rollover counter with CM
/// and nothing with GCM, RTCP authenticates its index word with both (RFC 3711, section 4; RFC 7714, sections 8
/// and 9). Knows nothing of streams, indices or replays.
@safe
final class SRTPCipher {
    enum Stream { case rtp, rtcp }
    enum Direction: CInt {
        case open = 0
        case seal = 1
    }

    let tagLength: Int
    private let isAEAD: Bool
    private let authenticatesTrailer: Bool
    private let context: OpaquePointer
    private var hmac: HMACSHA1
    /// The session salt as the big-endian words of an IV, zero-padded.
    private var salt: (high: UInt64, low: UInt64) = (0, 0)

    /// Takes master keys, from which the session keys of `stream` are derived.
    convenience init(
        profile: SRTPProfile, stream: Stream, direction: Direction, key: SecretBytes, salt: SecretBytes
    ) throws(SecureError) {
        guard key.count == profile.keyLength, salt.count == profile.saltLength else { throw .keyLength }
        var keys = try SRTPSessionKeys(stream, masterKey: key, masterSalt: salt)
        defer { keys.erase() }
        try self.init(profile: profile, stream: stream, direction: direction, keys: keys)
    }

    init(
        profile: SRTPProfile, stream: Stream, direction: Direction, keys: SRTPSessionKeys
    ) throws(SecureError) {
        isAEAD = profile.isAEAD
        authenticatesTrailer = !profile.isAEAD || stream == .rtcp
        tagLength = stream == .rtp ? profile.tagLength : profile.controlTagLength
        hmac = HMACSHA1(key: unsafe keys.authentication.span.bytes.extracting(0..<SRTPSessionKeys.authenticationLength))
        for offset in 0..<8 {
            salt.high = salt.high << 8 | UInt64(keys.salt[offset])
            salt.low = salt.low << 8 | UInt64(keys.salt[offset + 8])
        }

        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw ErrorQueue.failure("EVP_CIPHER_CTX_new") }
        unsafe self.context = context
        let cipher =
            switch profile {
            case .aes128CMSHA1_80, .aes128CMSHA1_32: unsafe EVP_aes_128_ctr()
            case .aeadAES128GCM: unsafe EVP_aes_128_gcm()
            case .aeadAES256GCM: unsafe EVP_aes_256_gcm()
            }
        var sessionKey = keys.encryption
        let ready = unsafe sessionKey.withMutableBytes {
            let succeeded = unsafe EVP_CipherInit_ex(context, cipher, nil, $0, nil, direction.rawValue) == 1
            unsafe OPENSSL_cleanse($0, MemoryLayout<SRTPKeyDerivation.Output>.size)
            return succeeded
        }
        guard ready else { throw ErrorQueue.failure("EVP_CipherInit_ex") }
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(context)
        hmac.erase()
    }

    /// Encrypts `packet[header..<end]` in place and writes ``tagLength`` bytes to `tag`.
    @unsafe
    func seal(
        _ packet: UnsafeMutableRawPointer, header: Int, end: Int, ssrc: UInt32, index: UInt64, trailer: UInt32,
        tag: UnsafeMutableRawPointer
    ) -> Bool {
        guard setIV(ssrc: ssrc, index: index) else { return false }
        if isAEAD {
            return unsafe addAuthenticated(packet, header, trailer: trailer) && transform(packet, header, end)
                && finish() && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CInt(tagLength), tag) == 1
        }
        guard unsafe transform(packet, header, end) else { return false }
        var full = InlineArray<20, UInt8>(repeating: 0)
        unsafe full.withMutableBytes { full in
            unsafe hmac.authenticate(UnsafeRawBufferPointer(start: packet, count: end), trailer: trailer, into: full)
            unsafe tag.copyMemory(from: full, byteCount: tagLength)
        }
        return true
    }

    /// Checks `tag` and decrypts `packet[header..<end]` in place. On `false` the payload is worthless.
    @unsafe
    func open(
        _ packet: UnsafeMutableRawPointer, header: Int, end: Int, ssrc: UInt32, index: UInt64, trailer: UInt32,
        tag: UnsafeMutableRawPointer
    ) -> Bool {
        if isAEAD {
            return unsafe setIV(ssrc: ssrc, index: index)
                && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CInt(tagLength), tag) == 1
                && addAuthenticated(packet, header, trailer: trailer) && transform(packet, header, end) && finish()
        }
        var full = InlineArray<20, UInt8>(repeating: 0)
        let isAuthentic = unsafe full.withMutableBytes { full in
            unsafe hmac.authenticate(UnsafeRawBufferPointer(start: packet, count: end), trailer: trailer, into: full)
            return unsafe CRYPTO_memcmp(full, tag, tagLength) == 0
        }
        return unsafe isAuthentic && setIV(ssrc: ssrc, index: index) && transform(packet, header, end)
    }

    /// GCM: `0000 | SSRC | index(48)` xor salt, 12 bytes. CM: `0000 | SSRC | index(48) | 0000` xor salt.
    private func setIV(ssrc: UInt32, index: UInt64) -> Bool {
        var iv: (UInt64, UInt64) =
            isAEAD
            ? (salt.high ^ (UInt64(ssrc) << 16 | index >> 32), salt.low ^ index << 32)
            : (salt.high ^ UInt64(ssrc), salt.low ^ index << 16)
        iv = (iv.0.bigEndian, iv.1.bigEndian)
        return unsafe withUnsafeBytes(of: &iv) {
            unsafe EVP_CipherInit_ex(
                context, nil, nil, nil, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), -1) == 1
        }
    }

    @unsafe
    private func addAuthenticated(_ packet: UnsafeMutableRawPointer, _ count: Int, trailer: UInt32) -> Bool {
        var written: CInt = 0
        let bytes = unsafe packet.assumingMemoryBound(to: UInt8.self)
        guard unsafe EVP_CipherUpdate(context, nil, &written, bytes, CInt(count)) == 1 else { return false }
        guard authenticatesTrailer else { return true }
        var word = trailer.bigEndian
        return unsafe withUnsafeBytes(of: &word) {
            unsafe EVP_CipherUpdate(
                context, nil, &written, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), 4) == 1
        }
    }

    @unsafe
    private func transform(_ packet: UnsafeMutableRawPointer, _ start: Int, _ end: Int) -> Bool {
        guard end > start else { return true }
        var written: CInt = 0
        let bytes = unsafe (packet + start).assumingMemoryBound(to: UInt8.self)
        return unsafe EVP_CipherUpdate(context, bytes, &written, bytes, CInt(end - start)) == 1
    }

    private func finish() -> Bool {
        var written: CInt = 0
        var nothing: (UInt64, UInt64) = (0, 0)
        return unsafe withUnsafeMutableBytes(of: &nothing) {
            unsafe EVP_CipherFinal_ex(context, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), &written) == 1
        }
    }
}
