import HTTP

/// `GET /v1/ports`: where this server speaks RTSP, for pages that show addresses to players and encoders. A port behind a
/// NAT or in a container may be another outside; a page has no way to know.
struct ServicePorts: Sendable {
    /// Null in the answer where nothing is served.
    var rtsp: UInt16?
    var rtsps: UInt16?

    /// `{"rtsp":8554,"rtsps":null}`.
    var json: [UInt8] {
        var json = JSONWriter()
        json.object {
            Self.member("rtsp", rtsp, in: &$0)
            Self.member("rtsps", rtsps, in: &$0)
        }
        return json.bytes
    }

    func add(to router: inout Router) {
        let body = json
        router.add(.get, "/v1/ports") { _ in .json(body) }
    }

    private static func member(_ name: String, _ port: UInt16?, in json: inout JSONWriter) {
        if let port { json.member(name, port) } else { json.member(name, nil) }
    }
}
