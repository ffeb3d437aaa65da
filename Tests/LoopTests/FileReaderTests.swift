import Glibc
import Loop
import Testing

@Suite struct FileReaderTests {
    @Test func aFileIsReadWhole() async throws {
        let file = try TemporaryFile(bytes: (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        let contents = try await FileReader.read(file.path, maximumSize: 200_000)
        #expect(contents.count == 200_000)
        #expect(contents == (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) })
    }

    @Test func aFileOverTheLimitIsRefused() async throws {
        let file = try TemporaryFile(bytes: [1, 2, 3])
        let error = await #expect(throws: LoopError.self) { try await FileReader.read(file.path, maximumSize: 2) }
        #expect(error?.code == EFBIG)
    }

    @Test func aMissingFileIsNamed() async throws {
        let error = await #expect(throws: LoopError.self) {
            try await FileReader.read("/nonexistent/martlet.yml", maximumSize: 10)
        }
        #expect(error?.description == "cannot read /nonexistent/martlet.yml: no such file or directory")
    }

    @Test func aDirectoryIsRefused() async throws {
        let error = await #expect(throws: LoopError.self) { try await FileReader.read("/tmp", maximumSize: 10) }
        #expect(error?.code == EISDIR)
    }
}

private final class TemporaryFile: Sendable {
    let path: String

    init(bytes: [UInt8]) throws {
        var name = Array("/tmp/martlet-test-XXXXXX".utf8CString)
        let number = unsafe mkstemp(&name)
        try #require(number >= 0)
        defer { close(number) }
        path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try #require(unsafe write(number, bytes, bytes.count) == bytes.count)
    }

    deinit { unsafe unlink(path) }
}
