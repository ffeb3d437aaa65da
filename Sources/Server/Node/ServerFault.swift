public import Loop
public import Secure

/// Why the server cannot start, for an operator.
public enum ServerFault: Error, Sendable, CustomStringConvertible {
    case socket(LoopError)
    case certificate(file: String, reason: String)
    case cryptography(SecureError)
    case other(String)

    public var description: String {
        switch self {
        case .socket(let error): error.description
        case .certificate(let file, let reason):
            "the certificate for HTTPS cannot be used: \(file): \(reason); make one with certs/make, or set "
                + "webrtcEncryption to no"
        case .cryptography(let error): "OpenSSL failed: \(error)"
        case .other(let reason): reason
        }
    }
}
