import ICE
import TestKit
import Testing

@Suite struct ICECredentialsTests {
    private static let iceCharacters = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

    @Test func generatedCredentialsAreLongEnoughAndInTheirAlphabet() throws {
        var random = SplitMix64(seed: 4)
        var seen: Set<ICECredentials> = []
        for _ in 0..<500 {
            let credentials = try #require(
                ICECredentials(randomBytes: random.bytes(ICECredentials.randomByteCount)))
            #expect(credentials.ufrag.count == 12)
            #expect(credentials.password.count == 32)
            #expect(Set(credentials.ufrag + credentials.password).isSubset(of: Self.iceCharacters))
            #expect(UfragKey(credentials.ufrag) != nil)
            #expect(seen.insert(credentials).inserted)
        }
    }

    @Test func everyCharacterIsEquallyLikely() throws {
        var counts: [Character: Int] = [:]
        for byte in UInt8.min...UInt8.max {
            let bytes = [UInt8](repeating: byte, count: ICECredentials.randomByteCount)
            let ufrag = try #require(ICECredentials(randomBytes: bytes)).ufrag
            counts[try #require(ufrag.first), default: 0] += 1
        }
        #expect(counts.count == 64)
        #expect(counts.values.allSatisfy { $0 == 4 })
    }

    @Test func tooFewRandomBytesMakeNone() {
        #expect(ICECredentials(randomBytes: [UInt8](repeating: 1, count: ICECredentials.randomByteCount - 1)) == nil)
    }

    @Test func thePasswordIsNeverPrinted() {
        let credentials = ICECredentials(ufrag: "visible", password: "secret")
        var dumped = ""
        dump(credentials, to: &dumped)
        for text in ["\(credentials)", String(reflecting: credentials), dumped] {
            #expect(text.contains("visible"))
            #expect(!text.contains("secret"))
        }
    }
}
