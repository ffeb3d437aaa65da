import Server
import Wire

/// What a person who just started the server wants to know.
struct Greeting {
    let server: MartletServer
    let isSecure: Bool

    func print() async {
        guard let http = await server.httpAddresses.first else { return }
        let scheme = isSecure ? "https" : "http"
        let host = http.isUnspecified ? "localhost" : http.isIPv6 ? "[\(http.host)]" : http.host
        let base = "\(scheme)://\(host):\(http.port)"
        var lines = [
            "Martlet \(MartletServer.version) is ready.",
            "  publish   \(base)/live/publish        in a browser",
            "            \(base)/live/whip           from OBS, FFmpeg or GStreamer (WHIP)",
            "  watch     \(base)/live/               in a browser",
            "            \(base)/live/whep           in any WHEP player",
            "  rooms     \(base)/",
        ]
        let advertised = await server.advertisedAddresses.map(\.description).joined(separator: ", ")
        lines.append("  media     UDP at \(advertised)")
        if let metrics = await server.metricsAddresses.first { lines.append("  metrics   http://\(metrics)/metrics") }
        Terminal.print(lines.joined(separator: "\n"))
    }
}
