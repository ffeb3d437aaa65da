/// A request (RFC 2326, section 6).
public struct RTSPRequest: Hashable, Sendable {
    /// nil when the name is none of RTSP 1.0.
    public var method: RTSPMethod?
    public var methodName: String
    /// As it came: a URL, a path, or `*`.
    public var url: String
    public var headers = RTSPHeaders()
    public var body: [UInt8] = []

    public init(_ method: RTSPMethod, _ url: String, headers: RTSPHeaders = RTSPHeaders(), body: [UInt8] = []) {
        self.method = method
        methodName = method.rawValue
        self.url = url
        self.headers = headers
        self.body = body
    }

    init(methodName: String, url: String, headers: RTSPHeaders) {
        method = RTSPMethod(rawValue: methodName)
        self.methodName = methodName
        self.url = url
        self.headers = headers
    }

    /// The request as it goes over the wire, with its Content-Length.
    public var serialized: [UInt8] {
        RTSPWriter.write("\(methodName) \(url) RTSP/1.0", headers, body)
    }
}

/// A response (RFC 2326, section 7).
public struct RTSPResponse: Hashable, Sendable {
    public var status: RTSPStatus
    public var headers = RTSPHeaders()
    public var body: [UInt8] = []

    public init(_ status: RTSPStatus, headers: RTSPHeaders = RTSPHeaders(), body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    public var serialized: [UInt8] {
        RTSPWriter.write("RTSP/1.0 \(status.code) \(status.phrase)", headers, body)
    }
}

enum RTSPWriter {
    static func write(_ firstLine: String, _ headers: RTSPHeaders, _ body: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        append(firstLine, to: &bytes)
        for field in headers.fields { append("\(field.name): \(field.value)", to: &bytes) }
        if !body.isEmpty { append("Content-Length: \(body.count)", to: &bytes) }
        bytes += [0x0D, 0x0A]
        bytes += body
        return bytes
    }

    /// Control characters, which could only come from a client's own text, become question marks: nobody adds lines.
    private static func append(_ line: String, to bytes: inout [UInt8]) {
        for byte in line.utf8 { bytes.append(byte < 0x20 || byte == 0x7F ? 0x3F : byte) }
        bytes += [0x0D, 0x0A]
    }
}
