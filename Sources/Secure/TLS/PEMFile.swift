internal import COpenSSL
internal import Wire

/// Certificates and keys out of PEM text (RFC 7468), with errors an operator can act on.
enum PEMFile {
    /// More certificates than this in one file are a mistake, not a chain.
    static let maximumChain = 16
    static let maximumSize = 1 << 20

    @safe
    final class Certificate {
        let pointer: OpaquePointer
        @unsafe fileprivate init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }
        deinit { unsafe X509_free(pointer) }
    }

    @safe
    final class PrivateKey {
        let pointer: OpaquePointer
        @unsafe fileprivate init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }
        deinit { unsafe EVP_PKEY_free(pointer) }
    }

    /// At least one certificate, in the order of the file.
    static func certificates(_ file: [UInt8]) throws(SecureError) -> [Certificate] {
        let bio = unsafe try memory(file, "certificate file")
        defer { unsafe BIO_free(bio) }
        var certificates: [Certificate] = []
        while let certificate = unsafe PEM_read_bio_X509(bio, nil, { _, _, _, _ in -1 }, nil) {
            certificates.append(unsafe Certificate(certificate))
            guard certificates.count <= maximumChain else {
                throw .unusableFile("certificate file: more than \(maximumChain) certificates")
            }
        }
        let error = ErrorQueue.take()
        ErrorQueue.clear()
        let isAtEnd =
            COpenSSL_ERR_GET_LIB(error) == ERR_LIB_PEM && COpenSSL_ERR_GET_REASON(error) == PEM_R_NO_START_LINE
        let count = certificates.count
        guard isAtEnd else {
            throw .unusableFile("certificate file: certificate \(count + 1) is damaged: \(ErrorQueue.reason(error))")
        }
        guard count > 0 else {
            throw .unusableFile(
                contains(file, "PRIVATE KEY-----")
                    ? "certificate file: holds a private key and no certificate; are the two files swapped?"
                    : "certificate file: no PEM certificate (-----BEGIN CERTIFICATE-----) in it")
        }
        return certificates
    }

    static func privateKey(_ file: [UInt8]) throws(SecureError) -> PrivateKey {
        let bio = unsafe try memory(file, "private key file")
        defer { unsafe BIO_free(bio) }
        // The callback refuses a passphrase; without it OpenSSL would ask on the terminal.
        if let key = unsafe PEM_read_bio_PrivateKey(bio, nil, { _, _, _, _ in -1 }, nil) {
            return unsafe PrivateKey(key)
        }
        let error = ErrorQueue.take()
        ErrorQueue.clear()
        if contains(file, "ENCRYPTED") {
            throw .unusableFile("private key file: the key is encrypted with a passphrase; store it without one")
        }
        if !contains(file, "PRIVATE KEY-----") {
            throw .unusableFile(
                contains(file, "BEGIN CERTIFICATE-----")
                    ? "private key file: holds a certificate and no key; are the two files swapped?"
                    : "private key file: no PEM private key (-----BEGIN PRIVATE KEY-----) in it")
        }
        throw .unusableFile("private key file: the key is damaged: \(ErrorQueue.reason(error))")
    }

    /// A BIO over a copy of `file`, to be freed by the caller.
    private static func memory(_ file: [UInt8], _ name: String) throws(SecureError) -> OpaquePointer {
        guard !file.isEmpty else { throw .unusableFile("\(name): empty") }
        guard file.count <= maximumSize else { throw .unusableFile("\(name): larger than \(maximumSize) bytes") }
        guard let bio = unsafe BIO_new(BIO_s_mem()) else { throw ErrorQueue.failure("BIO_new") }
        unsafe BIO_write(bio, file, CInt(file.count))
        return unsafe bio
    }

    private static func contains(_ file: [UInt8], _ text: String) -> Bool {
        String(decoding: file, as: UTF8.self).contains(text)
    }
}
