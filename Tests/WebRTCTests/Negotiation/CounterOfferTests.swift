import Codecs
import Foundation
import SDP
import Testing
import Wire

@testable import WebRTC

/// Offers of the server's own (WHEP-2).
@Suite struct CounterOfferTests {
    private static func offer(_ tracks: [AvailableTrack]) throws -> CounterOffer {
        try CounterOffer(tracks, with: .example)
    }

    /// What a browser makes of an offer it likes: the same sections, payload types and extensions, the other direction.
    private static func answer(
        _ offer: CounterOffer, _ change: (inout SessionDescription) -> Void = { _ in }
    ) throws -> SessionDescription {
        var answer = offer.description
        answer.isICELite = false
        for index in answer.media.indices {
            answer.media[index].direction = .recvonly
            answer.media[index].transport.iceUfrag = "abcd"
            answer.media[index].transport.icePassword = "0123456789012345678901"
            answer.media[index].transport.setup = .active
            answer.media[index].candidates = []
            answer.media[index].sourceAttributes = []
            answer.media[index].sourceGroups = []
            answer.media[index].streamIdentifiers = []
        }
        change(&answer)
        return try SessionDescription(parsing: Array(answer.text.utf8))
    }

    @Test(arguments: [("h264", [AvailableTrack.h264, .opus]), ("vp8-alone", [.vp8])])
    func offersAreTheRecordedBytes(_ name: String, _ tracks: [AvailableTrack]) throws {
        let actual = try Self.offer(tracks).text
        let file = Vectors.folder.appending(path: "counter-offers/\(name).sdp")
        if ProcessInfo.processInfo.environment["MARTLET_WRITE_GOLDEN"] != nil {
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(actual.utf8).write(to: file)
            Issue.record("wrote \(file.lastPathComponent)")
            return
        }
        #expect(try String(decoding: Data(contentsOf: file), as: UTF8.self) == actual)
    }

    @Test func anOfferLeavesTheDTLSRoleToTheViewerAndNamesEverythingElse() throws {
        let text = try Self.offer([.h264, .opus]).text
        for line in [
            "a=setup:actpass", "a=ice-lite", "a=sendonly", "a=rtcp-mux", "a=group:BUNDLE 0 1", "a=msid:cam1 video",
            "a=rtpmap:96 H264/90000", "a=rtpmap:98 opus/48000/2", "a=ssrc:22222 cname:room-cname",
            "a=ice-ufrag:martletUfrag", "a=end-of-candidates",
        ] {
            #expect(text.contains(line + "\r\n"), "\(line)")
        }
        #expect(!text.contains("a=recvonly") && !text.contains("ice-ufrag:none"))
    }

    @Test(arguments: [(SetupRole.active, DTLSRole.server), (.passive, .client)])
    func anAnswerMakesTheSession(_ setup: SetupRole, _ role: DTLSRole) throws {
        let offer = try Self.offer([.h264, .opus])
        let session = try offer.accept(
            Self.answer(offer) { answer in
                for index in answer.media.indices { answer.media[index].transport.setup = setup }
            })
        #expect(session.localDTLSRole == role)
        #expect(session.remoteICEUfrag == "abcd")
        #expect(session.sections.map(\.direction) == [.sendonly, .sendonly])
        #expect(session.section(of: .video)?.codec?.payloadType == 96)
        #expect(session.section(of: .video)?.localSSRC == 22_222)
        #expect(session.section(of: .video)?.localRetransmissionSSRC == 33_333)
        #expect(session.section(of: .audio)?.codec?.payloadType == 98)
    }

    @Test func aViewerMayTakeSoundAlone() throws {
        let offer = try Self.offer([.h264, .opus])
        let session = try offer.accept(
            Self.answer(offer) {
                $0.media[0].port = 0
                $0.groups = [Group(semantics: "BUNDLE", mids: ["1"])]
            })
        #expect(session.sections.map(\.kind) == [.audio])
    }

    @Test func answersThatAnswerSomethingElseAreRefused() throws {
        let offer = try Self.offer([.h264, .opus])
        func error(_ change: @escaping (inout SessionDescription) -> Void) throws -> NegotiationError? {
            let answer = try Self.answer(offer, change)
            return #expect(throws: NegotiationError.self) { try offer.accept(answer) }
        }
        #expect(try error { $0.media.removeLast() }?.description.contains("other media sections") == true)
        #expect(try error { $0.media.swapAt(0, 1) }?.description.contains("other media sections") == true)
        #expect(try error { $0.media[0].payloadTypes = [120] }?.description.contains("payload types") == true)
        #expect(
            try error { $0.media[0].extensionMappings = [ExtensionMapping(id: 1, uri: "urn:x")] }?
                .description.contains("header extensions") == true)
        #expect(try error { $0.media[0].transport.setup = .actpass }?.description.contains("DTLS role") == true)
        guard case .unmatched = try error({ answer in for i in answer.media.indices { answer.media[i].port = 0 } })
        else { return #expect(Bool(false)) }
    }

    @Test func aRoomOfAnUnreadableFormatHasNoOffer() {
        #expect(throws: NegotiationError.self) {
            try Self.offer([AvailableTrack(codec: .h264, parameters: FormatParameters("profile-level-id=zz"))])
        }
        #expect(throws: NegotiationError.self) { try Self.offer([]) }
    }
}
