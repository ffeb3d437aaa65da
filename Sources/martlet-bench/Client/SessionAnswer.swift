import ICE
import Secure
import Wire

/// The little of the server's answer that the benchmark's clients need.
struct SessionAnswer: Sendable {
    var credentials: ICECredentials
    var fingerprint: CertificateFingerprint
    var address: SocketAddress

    init(_ text: String) throws(BenchmarkFault) {
        func value(_ name: String) -> Substring? {
            text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("a=\(name):") }?.dropFirst(name.count + 3)
        }
        guard let ufrag = value("ice-ufrag"), let password = value("ice-pwd") else {
            throw BenchmarkFault("the answer has no ICE credentials")
        }
        let fingerprint = value("fingerprint")?.split(separator: " ") ?? []
        guard fingerprint.count == 2, let hash = CertificateFingerprint(name: fingerprint[0], value: fingerprint[1])
        else { throw BenchmarkFault("the answer has no fingerprint") }
        // foundation component protocol priority address port …
        let candidate = value("candidate")?.split(separator: " ") ?? []
        guard candidate.count > 5, let port = UInt16(candidate[5]),
            let address = SocketAddress(host: candidate[4], port: port)
        else { throw BenchmarkFault("the answer has no candidate") }
        credentials = ICECredentials(ufrag: String(ufrag), password: String(password))
        self.fingerprint = hash
        self.address = address
    }
}
