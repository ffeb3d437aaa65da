import TestKit
import Testing
import Wire

@testable import Secure

/// Both ends of ``TLSEndpoint`` against each other.
@Suite struct TLSClientTests {
    private final class Ends {
        let server: TLSEndpoint
        let client: TLSEndpoint
        var received: [UInt8] = []
        var answered: [UInt8] = []

        init(_ context: TLSClientContext, host: String = "localhost") throws {
            let files = try TLSFiles(Identities.first)
            server = try TLSEndpoint(
                context: TLSServerContext(certificatePEM: files.certificate, privateKeyPEM: files.key))
            client = try TLSEndpoint(client: context, host: host)
        }

        func settle() {
            for _ in 0..<20 {
                var forth: [UInt8] = []
                var back: [UInt8] = []
                client.drainCiphertext { forth += $0.array }
                forth.withBytes { if !$0.isEmpty { server.received($0) } }
                server.drainPlaintext { received += $0.array }
                server.drainCiphertext { back += $0.array }
                back.withBytes { if !$0.isEmpty { client.received($0) } }
                client.drainPlaintext { answered += $0.array }
                if forth.isEmpty, back.isEmpty { return }
            }
        }
    }

    private func pin(_ bytes: [UInt8]) throws -> TLSClientContext {
        try TLSClientContext(fingerprint: CertificateFingerprint(algorithm: .sha256, bytes: bytes))
    }

    /// RTSP-53: the certificate with the fingerprint is trusted, whoever signed it.
    @Test func theRightFingerprintOpens() throws {
        let ends = try Ends(try pin(Identities.first.fingerprintSHA256))
        ends.settle()
        #expect(ends.client.state == .open && ends.server.state == .open)
        #expect([1, 2, 3].withBytes { ends.client.write($0) })
        #expect([4, 5].withBytes { ends.server.write($0) })
        ends.settle()
        #expect(ends.received == [1, 2, 3] && ends.answered == [4, 5])
        ends.client.close()
        ends.settle()
        #expect(ends.server.state == .halfClosed)
    }

    /// RTSP-53: another certificate is refused before anything is written, and the text says what was shown.
    @Test func aWrongFingerprintIsRefused() throws {
        let ends = try Ends(try pin([UInt8](repeating: 7, count: 32)))
        ends.settle()
        guard case .failed(let reason) = ends.client.state else {
            Issue.record("state \(ends.client.state)")
            return
        }
        let shown = try #require(
            CertificateFingerprint(algorithm: .sha256, bytes: Identities.first.fingerprintSHA256))
        #expect(reason.contains(shown.value))
        #expect(![1].withBytes { ends.client.write($0) })
    }

    /// RTSP-53: without a fingerprint a certificate that no authority signed is refused.
    @Test(arguments: ["localhost", "127.0.0.1", "::1"])
    func strangersAreNotTrusted(_ host: String) throws {
        let ends = try Ends(try TLSClientContext(), host: host)
        ends.settle()
        guard case .failed(let reason) = ends.client.state else {
            Issue.record("state \(ends.client.state)")
            return
        }
        #expect(reason.contains("not trusted"))
    }

    @Test func hostileServersNeverTrap() throws {
        var random = SplitMix64(seed: 5)
        let context = try TLSClientContext()
        for _ in 0..<500 {
            let client = try TLSEndpoint(client: context, host: "h")
            random.bytes(Int(random.next() % 200)).withBytes { client.received($0) }
            client.drainPlaintext { _ in }
        }
    }
}
