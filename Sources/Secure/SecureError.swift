/// OpenSSL could not do what a correct program may always ask of it, or was given unusable key material.
public enum SecureError: Error, Hashable, Sendable {
    /// A key or salt whose length does not fit its profile.
    case keyLength
    /// OpenSSL refused or ran out of memory; `operation` names the call, `reason` is OpenSSL's own text.
    case library(operation: String, reason: String)
    /// A certificate or key file that cannot be used. The text says which file and why, for an operator.
    case unusableFile(String)
}
