import Loop
import RTSP
import Wire

extension HostResolver {
    /// Where the server of a URL is reached; nil when its host has no address.
    func address(of url: RTSPURL) async -> SocketAddress? {
        if let address = SocketAddress(host: url.host, port: url.effectivePort) { return address }
        let found = await withCheckedContinuation { continuation in
            resolve(url.host) { continuation.resume(returning: $0) }
        }
        return (found.first { !$0.isIPv6 } ?? found.first)?.withPort(url.effectivePort)
    }
}
