import CSRTP
import Secure

/// libsrtp2 as the oracle: one session, either direction, any SSRC.
@safe
final class LibSRTP {
    private static let initialized: srtp_err_status_t = srtp_init()

    private let session: srtp_t

    init?(_ profile: SRTPProfile, key: [UInt8], salt: [UInt8], outbound: Bool, window: UInt = 4096) {
        guard Self.initialized == srtp_err_status_ok else { return nil }
        var policy = unsafe srtp_policy_t()
        switch profile {
        case .aes128CMSHA1_80:
            unsafe srtp_crypto_policy_set_rtp_default(&policy.rtp)
            unsafe srtp_crypto_policy_set_rtcp_default(&policy.rtcp)
        case .aes128CMSHA1_32:
            unsafe srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy.rtp)
            unsafe srtp_crypto_policy_set_rtcp_default(&policy.rtcp)
        case .aeadAES128GCM:
            unsafe srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp)
            unsafe srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp)
        case .aeadAES256GCM:
            unsafe srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp)
            unsafe srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtcp)
        }
        unsafe policy.ssrc.type = outbound ? ssrc_any_outbound : ssrc_any_inbound
        unsafe policy.window_size = window
        var master = key + salt
        var created: srtp_t?
        let status = unsafe master.withUnsafeMutableBufferPointer { master in
            unsafe policy.key = master.baseAddress
            return unsafe srtp_create(&created, &policy)
        }
        guard status == srtp_err_status_ok, let created = unsafe created else { return nil }
        unsafe session = created
    }

    deinit { unsafe srtp_dealloc(session) }

    /// Each transforms `count` bytes in place and returns the new count, or nil when libsrtp refuses.
    @unsafe
    func protect(_ packet: UnsafeMutableRawPointer, _ count: Int) -> Int? {
        var length = CInt(count)
        return unsafe srtp_protect(session, packet, &length) == srtp_err_status_ok ? Int(length) : nil
    }

    @unsafe
    func unprotect(_ packet: UnsafeMutableRawPointer, _ count: Int) -> Int? {
        var length = CInt(count)
        return unsafe srtp_unprotect(session, packet, &length) == srtp_err_status_ok ? Int(length) : nil
    }

    @unsafe
    func protectControl(_ packet: UnsafeMutableRawPointer, _ count: Int) -> Int? {
        var length = CInt(count)
        return unsafe srtp_protect_rtcp(session, packet, &length) == srtp_err_status_ok ? Int(length) : nil
    }

    @unsafe
    func unprotectControl(_ packet: UnsafeMutableRawPointer, _ count: Int) -> Int? {
        var length = CInt(count)
        return unsafe srtp_unprotect_rtcp(session, packet, &length) == srtp_err_status_ok ? Int(length) : nil
    }
}
