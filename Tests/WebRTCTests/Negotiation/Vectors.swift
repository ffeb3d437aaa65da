import Foundation

/// Files of `Tests/Vectors/SDP`.
enum Vectors {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .appending(path: "Vectors/SDP")

    /// The names of all recorded offers, without `.sdp`.
    static let offers: [String] = {
        let files = try? FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "offers").path)
        return (files ?? []).filter { $0.hasSuffix(".sdp") }.map { String($0.dropLast(4)) }.sorted()
    }()

    static func offer(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: folder.appending(path: "offers/\(name).sdp")))
    }
}
