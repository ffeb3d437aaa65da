import Loop
import Secure

/// Reads the certificate and key for HTTPS.
struct CertificateFiles: Sendable {
    static let maximumSize = 1 << 20

    var certificate: String
    var key: String

    init(_ settings: ServerSettings) {
        certificate = settings.webrtcServerCert
        key = settings.webrtcServerKey
    }

    /// The certificate and key for RTSP over TLS.
    static func rtsp(_ settings: ServerSettings) -> CertificateFiles {
        var files = CertificateFiles(settings)
        files.certificate = settings.rtspServerCert
        files.key = settings.rtspServerKey
        return files
    }

    func load() async throws(ServerFault) -> TLSServerContext {
        let certificateBytes = try await read(certificate)
        let keyBytes = try await read(key)
        do throws(SecureError) {
            return try TLSServerContext(certificatePEM: certificateBytes, privateKeyPEM: keyBytes)
        } catch {
            if case .unusableFile(let reason) = error { throw .certificate(file: certificate, reason: reason) }
            throw .cryptography(error)
        }
    }

    private func read(_ path: String) async throws(ServerFault) -> [UInt8] {
        do throws(LoopError) {
            return try await FileReader.read(path, maximumSize: Self.maximumSize)
        } catch {
            throw .certificate(file: path, reason: error.description)
        }
    }
}
