import RTSP
import TestKit
import Testing
import Wire

/// What a parser makes of bytes that come in pieces, as text that can be compared.
func elements(of bytes: [UInt8], piece: Int = .max) -> (texts: [String], error: RTSPSyntaxError?) {
    var parser = RTSPStreamParser()
    var texts: [String] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        Array(rest.prefix(piece)).withBytes { parser.append($0) }
        rest = rest.dropFirst(piece)
        do throws(RTSPSyntaxError) {
            while let element = try parser.next() {
                switch element {
                case .frame(let channel, let range):
                    texts.append("frame \(channel) \(parser.withBytes(range) { $0.array })")
                case .request(let request):
                    texts.append(String(decoding: request.serialized, as: UTF8.self))
                case .response(let response):
                    texts.append(String(decoding: response.serialized, as: UTF8.self))
                }
            }
        } catch {
            return (texts, error)
        }
    }
    return (texts, nil)
}

@Suite struct RTSPStreamParserTests {
    static let mixed: [UInt8] =
        Array("OPTIONS rtsp://h/cam1 RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: Lavf\r\n\r\n".utf8)
        + [0x24, 0, 0, 3, 1, 2, 3]
        + Array("ANNOUNCE rtsp://h/cam1 RTSP/1.0\r\nCSeq: 2\r\ncontent-length: 5\r\n\r\nv=0\r\n".utf8)
        + [0x24, 1, 0, 0] + [0x24, 255, 0, 1, 0x24]
        + Array("\r\nRTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n".utf8)

    static let expected = [
        "OPTIONS rtsp://h/cam1 RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: Lavf\r\n\r\n", "frame 0 [1, 2, 3]",
        "ANNOUNCE rtsp://h/cam1 RTSP/1.0\r\nCSeq: 2\r\ncontent-length: 5\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        "frame 1 []", "frame 255 [36]", "RTSP/1.0 200 OK\r\nCSeq: 3\r\n\r\n",
    ]

    /// RTSP-3, RTSP-4: requests and frames mixed, cut at any boundary.
    @Test func requestsAndFramesComeOutWhereverTheBytesAreCut() {
        for piece in [1, 2, 3, 5, 7, 64, .max] {
            let (texts, error) = elements(of: Self.mixed, piece: piece)
            #expect(texts == Self.expected, "pieces of \(piece)")
            #expect(error == nil)
        }
    }

    @Test func everyPrefixGivesAPrefixOfTheElements() {
        for length in 0..<Self.mixed.count {
            let (texts, error) = elements(of: Array(Self.mixed.prefix(length)))
            #expect(error == nil)
            #expect(texts == Array(Self.expected.prefix(texts.count)))
        }
    }

    @Test func lineFeedsAloneEndLinesAndFoldedFieldsJoin() {
        let text = "PLAY rtsp://h/a RTSP/1.0\ncseq:7\nRange: npt=0-\n  ;time=x\n\n"
        let (texts, error) = elements(of: Array(text.utf8))
        #expect(texts == ["PLAY rtsp://h/a RTSP/1.0\r\ncseq: 7\r\nRange: npt=0- ;time=x\r\n\r\n"])
        #expect(error == nil)
    }

    struct Hostile: Sendable, CustomTestStringConvertible {
        var text: String
        var status: Int
        var testDescription: String { String(text.prefix(30)) }
    }

    @Test(arguments: [
        Hostile(text: "GET " + String(repeating: "a", count: 3_000), status: 414),
        Hostile(text: "OPTIONS * RTSP/1.0\r\nX: " + String(repeating: "a", count: 40_000), status: 400),
        Hostile(text: "OPTIONS * RTSP/1.0\r\n" + String(repeating: "A: b\r\n", count: 300) + "\r\n", status: 400),
        Hostile(text: "OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", status: 505),
        Hostile(text: "OPTIONS *\r\n\r\n", status: 400),
        Hostile(text: "OPTIONS * HTTP/1.1\r\n\r\n", status: 400),
        Hostile(text: "OPTIONS * RTSP/1.0\r\nno colon\r\n\r\n", status: 400),
        Hostile(text: "OPTIONS * RTSP/1.0\r\nA: \u{0}\r\n\r\n", status: 400),
        Hostile(text: "ANNOUNCE * RTSP/1.0\r\nContent-Length: 131073\r\n\r\n", status: 413),
        Hostile(text: "ANNOUNCE * RTSP/1.0\r\nContent-Length: 99999999999999999999\r\n\r\n", status: 413),
        Hostile(text: "ANNOUNCE * RTSP/1.0\r\nContent-Length: -1\r\n\r\n", status: 400),
        Hostile(text: "ANNOUNCE * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", status: 400),
        Hostile(text: "\u{16}\u{3}\u{1}", status: 400),
        Hostile(text: "rtsp", status: 400),
    ])
    func whatIsNotRTSPIsRefusedWithAStatus(_ hostile: Hostile) {
        let (_, error) = elements(of: Array(hostile.text.utf8))
        #expect(error?.status.code == hostile.status)
    }

    /// Ten megabytes of header fields are refused when 32 KiB of them have come.
    @Test func endlessHeaderFieldsAreNotKept() {
        var parser = RTSPStreamParser()
        Array("OPTIONS * RTSP/1.0\r\n".utf8).withBytes { parser.append($0) }
        let line = Array("X: y\r\n".utf8)
        var fed = 0
        var isRefused = false
        while fed < 10 << 20, !isRefused {
            line.withBytes { parser.append($0) }
            fed += line.count
            do { _ = try parser.next() } catch { isRefused = true }
        }
        #expect(isRefused)
        #expect(fed < 64 << 10)
        let left = parser.bufferedBytes
        #expect(left == 0)
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 7)
        let seeds = Self.mixed
        for _ in 0..<20_000 {
            var bytes = seeds
            for _ in 0..<Int(random.next() % 8) {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            let piece = 1 + Int(random.next() % 40)
            let whole = elements(of: bytes)
            let cut = elements(of: bytes, piece: piece)
            #expect(whole.texts == cut.texts)
        }
    }
}
