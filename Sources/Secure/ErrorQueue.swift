internal import COpenSSL

/// The calling thread's queue of OpenSSL errors.
///
/// `SSL_get_error` reads this queue, so a stale entry left by another call turns "needs more input" into
/// a failure. Every call into libssl is therefore preceded by ``clear()``.
enum ErrorQueue {
    static func clear() { ERR_clear_error() }

    /// The oldest error as OpenSSL's packed code, removed from the queue; 0 when there is none.
    static func take() -> UInt { UInt(ERR_get_error()) }

    static func reason(_ code: UInt) -> String {
        guard let text = unsafe ERR_reason_error_string(code) else { return "code \(code)" }
        return unsafe String(cString: text)
    }

    /// The failure of `operation`, with the oldest error's reason. Leaves the queue empty.
    static func failure(_ operation: String) -> SecureError {
        let code = take()
        clear()
        return .library(operation: operation, reason: code == 0 ? "no reason given" : reason(code))
    }

    /// The alert description (RFC 5246, section 7.2) when `code` says that the peer sent a fatal alert.
    static func receivedAlert(_ code: UInt) -> UInt8? {
        let reason = COpenSSL_ERR_GET_REASON(code)
        guard COpenSSL_ERR_GET_LIB(code) == ERR_LIB_SSL, reason >= SSL_AD_REASON_OFFSET else { return nil }
        return UInt8(exactly: reason - SSL_AD_REASON_OFFSET)
    }
}
