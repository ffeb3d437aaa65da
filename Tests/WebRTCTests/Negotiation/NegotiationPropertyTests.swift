import Codecs
import SDP
import TestKit
import Testing
import Wire

@testable import WebRTC

/// What holds for every offer, recorded or damaged.
@Suite struct NegotiationPropertyTests {
    private static let roles: [NegotiationRole] = [.publish, .view([.h264, .opus]), .view([.vp8]), .view([.opus])]

    /// SDP-4, SDP-12, SDP-46, SDP-E1, WHIP-Q13.
    private func check(_ offer: WebRTCOffer, _ role: NegotiationRole) throws {
        guard let session = try? offer.negotiate(role, with: .example) else { return }
        let again = try offer.negotiate(role, with: .example)
        #expect(again == session)
        #expect(try SessionDescription(parsing: session.answer.bytes) == session.answer)
        #expect(session.answer.media.count == offer.sections.count)
        #expect(session.answer.bytes.count <= 8192)
        for (offered, answered) in zip(offer.description.media, session.answer.media) {
            #expect(offered.media == answered.media && offered.proto == answered.proto && offered.mid == answered.mid)
            #expect(Set(answered.payloadTypes).isSubset(of: offered.payloadTypes.isEmpty ? [0] : offered.payloadTypes))
        }
        #expect(Set(session.sections.map(\.kind)).count == session.sections.count)
        #expect(session.sections.allSatisfy { $0.codecs.count == 1 })
    }

    @Test(arguments: Vectors.offers)
    func answersFitTheirOffers(_ name: String) throws {
        let offer = try WebRTCOffer(SessionDescription(parsing: Vectors.offer(name)))
        for role in Self.roles { try check(offer, role) }
    }

    @Test(arguments: ["gst1.22-webrtcbin-sendonly", "ffmpeg9.0.2-whip"])
    func damagedOffersNeverTrap(_ name: String) throws {
        let lines = String(decoding: try Vectors.offer(name), as: UTF8.self).split(separator: "\r\n").map(String.init)
        var random = SplitMix64(seed: 46)
        for _ in 0..<1_200 {
            var damaged = lines
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let index = Int.random(in: 1..<damaged.count, using: &random)
                switch Int.random(in: 0...3, using: &random) {
                case 0: damaged.remove(at: index)
                case 1: damaged.insert(lines.randomElement(using: &random) ?? "", at: index)
                case 2: damaged.swapAt(index, Int.random(in: 1..<damaged.count, using: &random))
                default:
                    var text = Array(damaged[index].utf8)
                    text[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 0x20...0x7E, using: &random)
                    damaged[index] = String(decoding: text, as: UTF8.self)
                }
            }
            guard let session = try? SessionDescription(parsing: Array(damaged.joined(separator: "\n").utf8)),
                let offer = try? WebRTCOffer(session)
            else { continue }
            for role in Self.roles { try check(offer, role) }
        }
    }
}
