import HTTP
import TestKit
import Testing
import Wire

/// A path and its segments, or nil where it must be refused.
struct PathRow: Sendable, CustomTestStringConvertible {
    var text: String
    var segments: [String]?
    var error: ResourcePathError?
    var testDescription: String { text }

    init(_ text: String, _ segments: [String]) {
        self.text = text
        self.segments = segments
    }
    init(_ text: String, _ error: ResourcePathError) {
        self.text = text
        self.error = error
    }

    private static let long = String(repeating: "a", count: 255)

    static let all: [PathRow] = [
        // Allowed.
        PathRow("", []),
        PathRow("/", []),
        PathRow("a", ["a"]),
        PathRow("/a", ["a"]),
        PathRow("/a/", ["a"]),
        PathRow("/a/b/c", ["a", "b", "c"]),
        PathRow("/live/main/whip", ["live", "main", "whip"]),
        PathRow("/live%2Fmain/whip", ["live", "main", "whip"]),
        PathRow("/live%2fmain", ["live", "main"]),
        PathRow("%2Fa", ["a"]),
        PathRow("/caf%C3%A9", ["caf\u{E9}"]),
        PathRow("/caf\u{E9}", ["caf\u{E9}"]),
        PathRow("/%F0%9F%8E%A5", ["\u{1F3A5}"]),
        PathRow("/a%20b", ["a b"]),
        PathRow("/a+b", ["a+b"]),
        PathRow("/a%2Bb", ["a+b"]),
        PathRow("/%61", ["a"]),
        PathRow("/a%25b", ["a%b"]),
        PathRow("/%252e%252e", ["%2e%2e"]),
        PathRow("/%252Fx", ["%2Fx"]),
        PathRow("/...", ["..."]),
        PathRow("/..a", ["..a"]),
        PathRow("/a..", ["a.."]),
        PathRow("/.hidden", [".hidden"]),
        PathRow("/a:b@c", ["a:b@c"]),
        PathRow("/~!$&'()*,;=-_.", ["~!$&'()*,;=-_."]),
        PathRow("/%3Cimg%20onerror%3E", ["<img onerror>"]),
        PathRow("/a%3Fb%23c", ["a?b#c"]),
        PathRow("/a\u{338}/b", ["a\u{338}", "b"]),
        PathRow("/" + long, [long]),
        PathRow("/" + String(repeating: "a/", count: 31) + "b", Array(repeating: "a", count: 31) + ["b"]),
        // Refused: names of other places.
        PathRow("..", .dotSegment),
        PathRow("/..", .dotSegment),
        PathRow("/../a", .dotSegment),
        PathRow("/a/..", .dotSegment),
        PathRow("/a/../b", .dotSegment),
        PathRow("/a/../", .dotSegment),
        PathRow("/%2e%2e", .dotSegment),
        PathRow("/.%2E/a", .dotSegment),
        PathRow("/a%2F..%2Fb", .dotSegment),
        PathRow("/a%2f%2e%2e", .dotSegment),
        PathRow("/.", .dotSegment),
        PathRow("/./a", .dotSegment),
        PathRow("/a/%2e/b", .dotSegment),
        PathRow("//", .emptySegment),
        PathRow("//a", .emptySegment),
        PathRow("/a//b", .emptySegment),
        PathRow("/a//", .emptySegment),
        PathRow("/a%2F/b", .emptySegment),
        PathRow("/%2Fa", .emptySegment),
        PathRow("/a\\b", .backslash),
        PathRow("/a%5Cb", .backslash),
        PathRow("/..%5c..%5cetc", .backslash),
        // Refused: characters.
        PathRow("/a%00", .controlCharacter),
        PathRow("/a\0b", .controlCharacter),
        PathRow("/a%0d%0ab", .controlCharacter),
        PathRow("/a%09b", .controlCharacter),
        PathRow("/a%1Bb", .controlCharacter),
        PathRow("/a%7F", .controlCharacter),
        PathRow("/a%C2%85", .controlCharacter),
        // Refused: encodings.
        PathRow("/a%", .badPercentEncoding),
        PathRow("/a%2", .badPercentEncoding),
        PathRow("/a%zz", .badPercentEncoding),
        PathRow("/a%u002e", .badPercentEncoding),
        PathRow("/%ff", .invalidUTF8),
        PathRow("/%C0%AE%C0%AE", .invalidUTF8),
        PathRow("/%C0%AF", .invalidUTF8),
        PathRow("/%ED%A0%80", .invalidUTF8),
        PathRow("/a%C3", .invalidUTF8),
        // Refused: sizes.
        PathRow("/" + long + "a", .segmentTooLong),
        PathRow("/" + String(repeating: "%C3%A9", count: 128), .segmentTooLong),
        PathRow("/" + String(repeating: "a/", count: 32) + "b", .tooManySegments),
    ]
}

@Suite struct ResourcePathTests {
    @Test(arguments: PathRow.all)
    func decodesOrRefuses(_ row: PathRow) {
        do {
            let path = try ResourcePath(decoding: row.text)
            #expect(path.segments == row.segments)
        } catch {
            #expect(error == row.error)
        }
    }

    @Test(arguments: PathRow.all)
    func bytesDecodeLikeText(_ row: PathRow) {
        let ofText = Result { () throws(ResourcePathError) in try ResourcePath(decoding: row.text) }
        let ofBytes = Result { () throws(ResourcePathError) in
            try bytes(row.text).withBytes { span throws(ResourcePathError) in try ResourcePath(decoding: span) }
        }
        #expect(ofText == ofBytes)
    }

    @Test(arguments: PathRow.all.filter { $0.segments != nil })
    func encodingIsReadBackTheSame(_ row: PathRow) throws {
        let path = try ResourcePath(decoding: row.text)
        #expect(path.encoded.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F })
        #expect(try ResourcePath(decoding: path.encoded) == path)
    }

    @Test func theTrailingSlashIsKeptApart() throws {
        let path = try ResourcePath(decoding: "/a/b/")
        #expect(path.hasTrailingSlash)
        #expect(path.name == "a/b")
        #expect(path.description == "/a/b/")
        #expect(try !ResourcePath(decoding: "/").hasTrailingSlash)
        #expect(ResourcePath().description == "/")
    }

    @Test func whateverIsAcceptedIsHarmless() {
        var random = SplitMix64(seed: 3)
        let alphabet = bytes("/.%2eEfF5c0dDaA\\\0\u{E9}")
        for _ in 0..<20_000 {
            let input = (0..<Int.random(in: 0...24, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            guard let path = try? input.withBytes({ try ResourcePath(decoding: $0) }) else { continue }
            for segment in path.segments {
                #expect(segment != "." && segment != ".." && !segment.isEmpty)
                #expect(!segment.utf8.contains { $0 < 0x20 || $0 == 0x7F || $0 == 0x5C || $0 == 0x2F })
            }
        }
    }
}
