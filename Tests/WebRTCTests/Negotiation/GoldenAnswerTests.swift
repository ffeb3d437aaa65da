import Foundation
import SDP
import Testing

@testable import WebRTC

/// The answers to recorded offers, byte for byte. `Tests/Vectors/SDP/README.md` says how to renew them.
@Suite struct GoldenAnswerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var offer: String
        var role: String
        var testDescription: String { "\(offer).\(role)" }
    }

    static let cases: [Case] = Vectors.offers.flatMap { offer in
        let publishes = ["send", "simulcast", "whip"].contains { offer.contains($0) }
        let roles = (publishes ? ["publish"] : []) + (offer.contains("recv") ? ["view-h264", "view-vp8"] : [])
        return roles.map { Case(offer: offer, role: $0) }
    }

    @Test(arguments: cases)
    func answersAreTheRecordedBytes(_ example: Case) throws {
        let actual = try answer(example)
        let file = Vectors.folder.appending(path: "answers/\(example.testDescription).sdp")
        if ProcessInfo.processInfo.environment["MARTLET_WRITE_GOLDEN"] != nil {
            try Data(actual.utf8).write(to: file)
            Issue.record("wrote \(file.lastPathComponent)")
            return
        }
        #expect(try String(decoding: Data(contentsOf: file), as: UTF8.self) == actual)
    }

    private func answer(_ example: Case) throws -> String {
        let offer = try WebRTCOffer(SessionDescription(parsing: Vectors.offer(example.offer)))
        let role: NegotiationRole =
            switch example.role {
            case "publish": .publish
            case "view-h264": .view([.h264, .opus])
            default: .view([.vp8, .opus])
            }
        do throws(NegotiationError) {
            return try offer.negotiate(role, with: .example).answerText
        } catch {
            return "refused: \(error)\r\n"
        }
    }
}
