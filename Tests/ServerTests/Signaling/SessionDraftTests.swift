import ICE
import Testing

@testable import Server

@Suite struct SessionDraftTests {
    /// WHIP-3 and ICE-52.
    @Test func tenThousandSessionsShareNothing() throws {
        var ids: Set<String> = []
        var fragments: Set<String> = []
        var tags: Set<String> = []
        var first = [Character: Int]()
        for _ in 0..<10_000 {
            let draft = try #require(SessionDraft(publishing: true))
            ids.insert(draft.sessionID)
            fragments.insert(draft.credentials.ufrag)
            tags.insert(draft.entityTag)
            if let character = draft.sessionID.first { first[character, default: 0] += 1 }
        }
        #expect(ids.count == 10_000)
        #expect(fragments.count == 10_000)
        #expect(tags.count == 10_000)
        #expect(ids.allSatisfy { $0.utf8.count == 22 })
        #expect(first.count == 64)
        #expect(first.values.allSatisfy { (60...300).contains($0) })
    }

    @Test func onlyViewersGetSources() throws {
        let publisher = try #require(SessionDraft(publishing: true))
        #expect(publisher.audioSSRC == nil && publisher.videoSSRC == nil)
        let viewer = try #require(SessionDraft(publishing: false))
        #expect(viewer.audioSSRC != viewer.videoSSRC)
        #expect(viewer.audioSSRC != 0 && viewer.videoSSRC != 0 && viewer.controlSSRC != 0)
    }

    @Test(
        arguments: [
            ([], ""), ([0], "AA"), ([0xFF], "_w"), ([0xFF, 0xFE, 0xFD], "__79"), ([1, 2, 3, 4], "AQIDBA"),
        ] as [([UInt8], String)])
    func bytesBecomeURLSafeText(_ bytes: [UInt8], _ expected: String) {
        #expect(WebRTCSession.urlSafe(bytes) == expected)
    }
}
