import RTSP
import TestKit
import Testing
import Wire

/// RTSP-25: what a connection is, and what comes through a tunnel.
@Suite struct RTSPTunnelTests {
    private static func find(_ pieces: [[UInt8]]) -> RTSPConnectionFront.Finding {
        var front = RTSPConnectionFront()
        var finding = RTSPConnectionFront.Finding.undecided
        for piece in pieces where finding == .undecided { finding = piece.withBytes { front.received($0) } }
        return finding
    }

    private static let get = """
        GET /cam1 HTTP/1.0\r
        X-SessionCookie: PPwTZeVfAAAul3\r
        Accept: application/x-rtsp-tunnelled\r\n\r\n
        """

    @Test func rtspIsRecognisedFromItsFirstBytes() {
        for text in ["OPTIONS * RTSP/1.0\r\n", "GET_PARAMETER *", "PLAY rtsp://h/", "POX", "$\0\0\0", "\u{16}\u{3}"] {
            let bytes = Array(text.utf8)
            let whole = Self.find([bytes])
            #expect(whole == .rtsp(bytes))
        }
        #expect(Self.find([Array("G".utf8)]) == .undecided)
        #expect(Self.find([Array("PO".utf8)]) == .undecided)
    }

    @Test func theHalvesOfATunnelAreRecognisedHoweverTheyAreCut() {
        let bytes = Array(Self.get.utf8)
        let half = RTSPConnectionFront.Half.output(cookie: "PPwTZeVfAAAul3")
        #expect(Self.find([bytes]) == .tunnel(half, []))
        #expect(Self.find(bytes.map { [$0] }) == .tunnel(half, []))
        let post = Array("POST / HTTP/1.1\nx-sessioncookie:a b\nContent-Length: 32767\n\nT1BU".utf8)
        #expect(Self.find([post]) == .tunnel(.input(cookie: "a b"), Array("T1BU".utf8)))
    }

    @Test func otherHTTPRequestsAreRefusedInHTTP() {
        guard case .refused(let answer) = Self.find([Array("GET / HTTP/1.1\r\nHost: h\r\n\r\n".utf8)]) else {
            Issue.record("a browser was let in")
            return
        }
        #expect(String(decoding: answer, as: UTF8.self).hasPrefix("HTTP/1.0 400 "))
        let endless = Array("GET / HTTP/1.1\r\n".utf8) + [UInt8](repeating: 0x41, count: 9_000)
        guard case .refused = Self.find([endless]) else {
            Issue.record("a head without end was waited for")
            return
        }
    }

    private static func decode(_ pieces: [[UInt8]]) -> [UInt8]? {
        var decoder = RTSPTunnelDecoder()
        var output: [UInt8] = []
        for piece in pieces where !piece.withBytes({ decoder.decode($0, into: &output) }) { return nil }
        return output
    }

    /// Clients pad each message, so padding comes in mid-stream.
    @Test func base64IsReadInAnySplit() {
        let text = Array("T1BUSU9OUyA=UExBWQ==\r\nQUJD".utf8)
        let plain = Array("OPTIONS PLAYABC".utf8)
        for length in 1...text.count {
            let pieces = stride(from: 0, to: text.count, by: length).map { start in
                Array(text[start..<min(start + length, text.count)])
            }
            #expect(Self.decode(pieces) == plain)
        }
    }

    @Test func whatIsNoBase64EndsTheTunnel() {
        #expect(Self.decode([Array("OPTIONS * RTSP".utf8)]) == nil)
        #expect(Self.decode([Array("A=".utf8)]) == nil)
        #expect(Self.decode([Array("QUI=".utf8), [0x80]]) == nil)
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 7)
        for _ in 0..<5_000 {
            let bytes = (0..<Int(random.next() % 60)).map { _ in UInt8(truncatingIfNeeded: random.next() & 0x7F) }
            _ = Self.find([Array("GET ".utf8) + bytes + Array("\r\n\r\n".utf8), bytes])
            _ = Self.decode([bytes])
        }
    }

    /// T16: nothing travels beside a tunnel.
    @Test func t16OnlyTheConnectionIsLeftInsideATunnel() {
        let driver = MachineDriver { $0.deliveries = [.udp, .multicast, .tcp] }
        driver.machine.staysInside()
        let udp = "Transport: RTP/AVP;unicast;client_port=1000-1001"
        #expect(driver.ask("SETUP rtsp://h/cam1/trackID=0", udp) == 461)
        #expect(driver.ask("SETUP rtsp://h/cam1/trackID=0", "Transport: RTP/AVP;multicast") == 461)
        #expect(driver.ask("SETUP rtsp://h/cam1/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1") == 200)
    }
}
