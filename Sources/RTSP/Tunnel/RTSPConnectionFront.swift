import Wire

/// Tells from a connection's first bytes whether it speaks RTSP or is half of an HTTP tunnel (RTSP-25): what the server
/// sends travels in the answer to a GET, what the client sends in base64 in the body of a POST, and a cookie of the
/// client's joins them.
public struct RTSPConnectionFront: Sendable {
    public enum Half: Hashable, Sendable {
        /// The GET, to be answered with ``RTSPConnectionFront/accepted``.
        case output(cookie: String)
        /// The POST, which is never answered.
        case input(cookie: String)
    }

    public enum Finding: Hashable, Sendable {
        /// Too little came yet.
        case undecided
        /// No tunnel; all bytes so far are RTSP.
        case rtsp([UInt8])
        /// Half of a tunnel, and what followed its head.
        case tunnel(Half, [UInt8])
        /// The answer to a request that is neither, after which the connection ends.
        case refused([UInt8])
    }

    private static let maximumHeadBytes = 8 * 1_024
    private static let maximumCookieBytes = 128

    private var buffer: [UInt8] = []

    public init() {}

    /// Looks at what came. Nothing is to be handed in after a finding.
    public mutating func received(_ bytes: RawSpan) -> Finding {
        buffer.append(contentsOf: bytes)
        let isGet = begins(with: "GET ")
        let isPost = begins(with: "POST ")
        guard isGet != false || isPost != false else { return .rtsp(buffer) }
        guard isGet == true || isPost == true else { return .undecided }
        guard let end = endOfHead else {
            guard buffer.count <= Self.maximumHeadBytes else { return Self.refusal("the header fields are too large") }
            return .undecided
        }
        guard let cookie = cookie(before: end) else {
            return Self.refusal("this port speaks RTSP; a tunnel through HTTP needs x-sessioncookie")
        }
        return .tunnel(isGet == true ? .output(cookie: cookie) : .input(cookie: cookie), Array(buffer[end...]))
    }

    /// nil while that cannot be known.
    private func begins(with text: String) -> Bool? {
        let wanted = Array(text.utf8)
        guard buffer.starts(with: wanted.prefix(buffer.count)) else { return false }
        return buffer.count >= wanted.count ? true : nil
    }

    /// The offset behind the empty line.
    private var endOfHead: Int? {
        var index = 0
        while index + 1 < buffer.count {
            if buffer[index] == 0x0A {
                if buffer[index + 1] == 0x0A { return index + 2 }
                if index + 2 < buffer.count, buffer[index + 1] == 0x0D, buffer[index + 2] == 0x0A { return index + 3 }
            }
            index += 1
        }
        return nil
    }

    private func cookie(before end: Int) -> String? {
        for line in buffer[..<end].split(separator: 0x0A).dropFirst() {
            let text = String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
            guard let colon = text.firstIndex(of: ":"), text[..<colon].lowercased() == "x-sessioncookie" else {
                continue
            }
            let value = text[text.index(after: colon)...].trimmingBlanks
            return value.isEmpty || value.utf8.count > Self.maximumCookieBytes ? nil : String(value)
        }
        return nil
    }

    private static func refusal(_ problem: String) -> Finding {
        let head = "HTTP/1.0 400 Bad Request\r\nServer: Martlet\r\nConnection: close\r\nContent-Type: text/plain\r\n"
        return .refused(Array("\(head)Content-Length: \(problem.utf8.count + 2)\r\n\r\n\(problem)\r\n".utf8))
    }

    /// The answer to a GET; what is sent through the tunnel follows it.
    public static var accepted: [UInt8] {
        Array(
            ("HTTP/1.0 200 OK\r\nServer: Martlet\r\nConnection: close\r\nCache-Control: no-store\r\nPragma: no-cache\r\n"
                + "Content-Type: application/x-rtsp-tunnelled\r\n\r\n").utf8)
    }

    /// The answer to a POST whose GET is not there, which is then closed.
    public static var withoutOutput: [UInt8] {
        Array("HTTP/1.0 404 Not Found\r\nServer: Martlet\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".utf8)
    }
}

/// Decodes the base64 of a tunnel, however it is cut: clients pad each of their messages, and send them in any pieces.
public struct RTSPTunnelDecoder: Sendable {
    private var bits: UInt32 = 0
    private var count = 0

    public init() {}

    /// Appends what `bytes` stand for to `output`; `false` when they are no base64.
    public mutating func decode(_ bytes: RawSpan, into output: inout [UInt8]) -> Bool {
        for index in 0..<bytes.byteCount {
            let character = bytes[index]
            switch character {
            case 0x0A, 0x0D, 0x20, 0x09: continue
            case UInt8(ascii: "="):
                guard finish(&output) else { return false }
            default:
                guard let value = Self.value(character) else { return false }
                bits = bits << 6 | value
                count += 1
                guard count == 4 else { continue }
                output.append(UInt8(truncatingIfNeeded: bits >> 16))
                output.append(UInt8(truncatingIfNeeded: bits >> 8))
                output.append(UInt8(truncatingIfNeeded: bits))
                (bits, count) = (0, 0)
            }
        }
        return true
    }

    /// The first padding ends a group; a second one follows an empty group.
    private mutating func finish(_ output: inout [UInt8]) -> Bool {
        switch count {
        case 0: return true
        case 1: return false
        case 2: output.append(UInt8(truncatingIfNeeded: bits >> 4))
        default:
            output.append(UInt8(truncatingIfNeeded: bits >> 10))
            output.append(UInt8(truncatingIfNeeded: bits >> 2))
        }
        (bits, count) = (0, 0)
        return true
    }

    private static func value(_ character: UInt8) -> UInt32? {
        switch character {
        case 0x41...0x5A: UInt32(character) - 0x41
        case 0x61...0x7A: UInt32(character) - 0x61 + 26
        case 0x30...0x39: UInt32(character) - 0x30 + 52
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
