/// Why a DTLS association ended other than by a close.
public enum DTLSFailure: Error, Hashable, Sendable {
    /// The handshake took longer than its limit.
    case timedOut
    /// The peer sent a fatal alert with this description (RFC 5246, section 7.2).
    case alert(UInt8)
    /// The peer's certificate is none of those its session description promises. No keys were handed out.
    case fingerprintMismatch
    /// The peer offered no SRTP protection profile that was allowed.
    case noCommonProfile
    /// The handshake went wrong at this end; OpenSSL's reason.
    case handshake(String)
    /// OpenSSL could not create or feed the association.
    case library(String)
}
