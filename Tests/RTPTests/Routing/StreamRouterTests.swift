import RTP
import TestKit
import Testing
import Wire

@Suite struct StreamRouterTests {
    private static let map = HeaderExtensionMap([(.mid, 1), (.rid, 2), (.repairedRid, 3)])
    private static let audio = StreamRouter.Section(mid: Array("0".utf8), payloadTypes: [111], ssrcs: [10])
    private static let video = StreamRouter.Section(
        mid: Array("1".utf8), payloadTypes: [96, 102], repairPayloadTypes: [97], ssrcs: [20], repairSSRCs: [21])
    private static let simulcast = StreamRouter.Section(
        mid: Array("1".utf8), payloadTypes: [96], repairPayloadTypes: [97],
        rids: ["h", "m", "l"].map { Array($0.utf8) })

    /// Routes a packet with the given extensions.
    private func route(
        _ router: inout StreamRouter, ssrc: UInt32, _ payloadType: UInt8, mid: String? = nil, rid: String? = nil,
        repairedRid: String? = nil, paddingOnly: Bool = false, at now: Instant = .seconds(1)
    ) -> StreamRouter.Result {
        var content: [UInt8] = []
        for (id, value) in [(UInt8(1), mid), (2, rid), (3, repairedRid)] {
            guard let value else { continue }
            content += [id << 4 | UInt8(value.utf8.count - 1)] + Array(value.utf8)
        }
        var bytes = packet(profile: 0xBEDE, extensions: content)
        bytes[1] = payloadType
        bytes.set(bigEndian: ssrc, at: 8)
        if paddingOnly {
            bytes[0] |= 0x20
            bytes[bytes.count - 1] = 2
        }
        return bytes.withBytes { span in
            guard let header = try? RTPHeader(parsing: span) else { return .refused(.unplaced) }
            return router.route(
                header, extensions: HeaderExtensionIndex(header, in: span, map: Self.map), in: span, at: now)
        }
    }

    private func media(_ section: Int, _ encoding: Int? = nil) -> StreamRouter.Route {
        .init(section: section, encoding: encoding, isRepair: false)
    }
    private func repair(_ section: Int, _ encoding: Int? = nil) -> StreamRouter.Route {
        .init(section: section, encoding: encoding, isRepair: true)
    }

    @Test func midDecidesBeforeEverythingElse() {
        var router = StreamRouter(sections: [Self.audio, Self.video])
        #expect(route(&router, ssrc: 10, 96, mid: "1") == .routed(media(1), .added))
        #expect(route(&router, ssrc: 10, 96) == .routed(media(1), .none))
        #expect(router.mediaSSRC(section: 1, encoding: nil) == 10)
        #expect(route(&router, ssrc: 11, 96, mid: "x") == .refused(.unknownMID))
    }

    @Test func declaredSSRCDecidesBeforeThePayloadType() {
        let twin = StreamRouter.Section(mid: Array("2".utf8), payloadTypes: [96], ssrcs: [30])
        var router = StreamRouter(sections: [Self.audio, Self.video, twin])
        #expect(route(&router, ssrc: 30, 96) == .routed(media(2), .added))
        #expect(route(&router, ssrc: 20, 96) == .routed(media(1), .added))
        #expect(route(&router, ssrc: 21, 97) == .routed(repair(1), .added))
        // Only the middle section has 102, and both have 96.
        #expect(route(&router, ssrc: 40, 96) == .refused(.unplaced))
        #expect(route(&router, ssrc: 40, 102) == .routed(media(1), .replaced(ssrc: 20)))
    }

    @Test func payloadTypeThatOneSectionHasDecides() {
        var router = StreamRouter(sections: [Self.audio, Self.video])
        #expect(route(&router, ssrc: 5, 111) == .routed(media(0), .added))
        #expect(route(&router, ssrc: 6, 97) == .routed(repair(1), .added))
        #expect(route(&router, ssrc: 7, 33) == .refused(.payloadType))
    }

    @Test func encodingsAreFoundByRID() {
        var router = StreamRouter(sections: [Self.audio, Self.simulcast])
        #expect(route(&router, ssrc: 1, 96, mid: "1", rid: "h") == .routed(media(1, 0), .added))
        #expect(route(&router, ssrc: 2, 96, mid: "1", rid: "l") == .routed(media(1, 2), .added))
        #expect(route(&router, ssrc: 3, 97, mid: "1", repairedRid: "l") == .routed(repair(1, 2), .added))
        #expect(route(&router, ssrc: 2, 96) == .routed(media(1, 2), .none))
        #expect(router.mediaSSRC(section: 1, encoding: 2) == 2)
    }

    @Test func ridThatComesLaterMovesTheStream() {
        var router = StreamRouter(sections: [Self.audio, Self.simulcast])
        #expect(route(&router, ssrc: 1, 96) == .routed(media(1), .added))
        #expect(route(&router, ssrc: 2, 96) == .routed(media(1), .added))
        #expect(route(&router, ssrc: 1, 96, mid: "1", rid: "m") == .routed(media(1, 1), .moved(from: media(1))))
        #expect(route(&router, ssrc: 1, 96) == .routed(media(1, 1), .none))
        #expect(route(&router, ssrc: 1, 96, mid: "1") == .routed(media(1, 1), .none))
    }

    @Test func midThatComesLaterMovesTheStream() {
        let twin = StreamRouter.Section(mid: Array("2".utf8), payloadTypes: [96])
        var router = StreamRouter(sections: [Self.audio, Self.video, twin])
        #expect(route(&router, ssrc: 20, 96) == .routed(media(1), .added))
        #expect(route(&router, ssrc: 20, 96, mid: "2") == .routed(media(2), .moved(from: media(1))))
        #expect(route(&router, ssrc: 20, 102) == .refused(.payloadType))
    }

    @Test func declaredSimulcastWithoutRIDsOnTheWireKeepsTheOrder() {
        var section = Self.simulcast
        section.ssrcs = [1, 2, 3]
        section.repairSSRCs = [11, 12, 13]
        var router = StreamRouter(sections: [section])
        #expect(route(&router, ssrc: 3, 96) == .routed(media(0, 2), .added))
        #expect(route(&router, ssrc: 12, 97) == .routed(repair(0, 1), .added))
    }

    @Test func streamGoesOnWithAnotherSSRC() {
        var router = StreamRouter(sections: [Self.video])
        #expect(route(&router, ssrc: 1, 96, mid: "1", at: .seconds(1)) == .routed(media(0), .added))
        #expect(route(&router, ssrc: 2, 96, mid: "1", at: .seconds(2)) == .routed(media(0), .replaced(ssrc: 1)))
        // Late packets of the old one do not take the stream back, but its return does.
        #expect(route(&router, ssrc: 1, 96, at: .seconds(3)) == .refused(.superseded))
        #expect(route(&router, ssrc: 2, 96, at: .seconds(3)) == .routed(media(0), .none))
        #expect(route(&router, ssrc: 1, 96, at: .seconds(6)) == .routed(media(0), .replaced(ssrc: 2)))
        #expect(router.mediaSSRC(section: 0, encoding: nil) == 1)
        router.remove(ssrc: 1)
        #expect(router.mediaSSRC(section: 0, encoding: nil) == nil)
    }

    @Test func probesNeverCreateAStream() {
        var router = StreamRouter(sections: [Self.video])
        #expect(route(&router, ssrc: 0, 96, mid: "1") == .refused(.ssrcZero))
        #expect(route(&router, ssrc: 5, 96, mid: "1", paddingOnly: true) == .refused(.paddingOnly))
        #expect(route(&router, ssrc: 5, 96, mid: "1") == .routed(media(0), .added))
        #expect(route(&router, ssrc: 5, 96, paddingOnly: true) == .routed(media(0), .none))
    }

    @Test func undeclaredStreamsAreFew() {
        var router = StreamRouter(sections: [Self.video])
        for ssrc in UInt32(100)..<116 {
            #expect(route(&router, ssrc: ssrc, 96, mid: "1", at: .seconds(UInt64(ssrc))) != .refused(.tooManyStreams))
        }
        #expect(route(&router, ssrc: 500, 96, mid: "1", at: .seconds(101)) == .refused(.tooManyStreams))
        // Declared ones always find room, and the one silent longest gives way after ten seconds.
        #expect(route(&router, ssrc: 20, 96, at: .seconds(101)) == .routed(media(0), .replaced(ssrc: 115)))
        #expect(route(&router, ssrc: 500, 96, mid: "1", at: .seconds(116)) == .routed(media(0), .replaced(ssrc: 20)))
    }

    @Test func probingEndsAfterAHundredPackets() {
        let twin = StreamRouter.Section(mid: Array("2".utf8), payloadTypes: [96])
        var router = StreamRouter(sections: [Self.video, twin])
        for ssrc in UInt32(1000)..<1100 { #expect(route(&router, ssrc: ssrc, 96) == .refused(.unplaced)) }
        #expect(route(&router, ssrc: 1, 102) == .refused(.unplaced))
        #expect(route(&router, ssrc: 1, 102, mid: "1") == .routed(media(0), .added))
        #expect(route(&router, ssrc: 20, 96) == .routed(media(0), .replaced(ssrc: 1)))
    }

    @Test func rotatingSSRCsStayBounded() {
        var random = SplitMix64(seed: 3)
        var router = StreamRouter(sections: [Self.audio, Self.simulcast])
        var accepted = 0
        for index in 0..<20_000 {
            let result = route(
                &router, ssrc: UInt32(truncatingIfNeeded: random.next()), UInt8.random(in: 90...115, using: &random),
                mid: ["0", "1", "2", nil][Int(random.next() % 4)], rid: ["h", "x", nil][Int(random.next() % 3)],
                at: .milliseconds(UInt64(index)))
            if case .routed = result { accepted += 1 }
        }
        // Sixteen at first, and one more each time a place has been silent for ten seconds.
        #expect(accepted <= 16 + 16)
    }

    @Test func payloadTypeSetsHoldWhatExists() {
        let set = PayloadTypeSet([0, 63, 64, 127, 128, 255])
        #expect((0...255).filter { set.contains(UInt8($0)) } == [0, 63, 64, 127])
    }
}
