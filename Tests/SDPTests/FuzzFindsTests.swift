import Foundation
import SDP
import Testing

/// Inputs that once broke a promise, and seeds of the fuzz targets. The checks are those of the fuzz targets.
@Suite struct FuzzFindsTests {
    private static func inputs(_ folder: String) throws -> [[UInt8]] {
        let url = Vectors.folder.deletingLastPathComponent().appending(path: "Fuzz/\(folder)")
        return try FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: nil)
            .map { Array(try Data(contentsOf: $0)) }
    }

    @Test func fragmentsReadBackAsWritten() throws {
        for input in try Self.inputs("sdpfrag") {
            // A fragment of unknown attributes alone has nothing to write.
            guard let fragment = try? TrickleFragment(parsing: input), !fragment.text.isEmpty else { continue }
            #expect(try TrickleFragment(parsing: Array(fragment.text.utf8)) == fragment)
            for candidate in fragment.sections.flatMap(\.candidates) {
                #expect(ICECandidate(candidate.text) == candidate)
            }
        }
    }

    @Test func descriptionsReadBackAsWritten() throws {
        for input in try Self.inputs("sdp") {
            guard let session = try? SessionDescription(parsing: input) else { continue }
            #expect(try SessionDescription(parsing: session.bytes) == session)
        }
    }
}
