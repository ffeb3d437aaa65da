import ICE
import TestKit
import Testing
import Wire

@Suite struct UfragKeyTests {
    @Test func keysAreEqualExactlyWhenTheFragmentsAre() {
        let fragments = ["a", "b", "aa", "abcdefgh", "abcdefghi", "abcdefghijklmnop", "abcdefghijklmnoq", "habcdefg"]
        for left in fragments {
            for right in fragments { #expect((UfragKey(left) == UfragKey(right)) == (left == right)) }
        }
    }

    @Test func emptyLongAndZeroBytesMakeNoKey() {
        #expect(UfragKey("") == nil)
        #expect(UfragKey("abcdefghijklmnopq") == nil)
        #expect(UfragKey("ab\0c") == nil)
    }

    @Test func theReceiversHalfIsFound() {
        let bytes = Check().bytes
        #expect(bytes.withBytes { UfragKey.receiver(of: $0) } == UfragKey(Check.local.ufrag))
        let libnice = Check(hasFingerprint: false).bytes
        #expect(libnice.withBytes { UfragKey.receiver(of: $0) } == UfragKey(Check.local.ufrag))
    }

    @Test func theReceiversHalfIsFoundBehindOtherAttributes() {
        var bytes: [UInt8] = []
        let writer = STUNWriter(.request, transactionID: Check().id, into: &bytes)
        writer.append(.software, Array("libnice".utf8), into: &bytes)
        writer.append(.priority, integer: UInt32(1), into: &bytes)
        writer.append(.username, Array("sixteenCharacter:x".utf8), into: &bytes)
        writer.finish(&bytes)
        #expect(bytes.withBytes { UfragKey.receiver(of: $0) } == UfragKey("sixteenCharacter"))
    }

    @Test(arguments: ["", ":", ":abcd", "abcd", "seventeenLetters1:x", "a\0b:x"])
    func otherUsernamesHaveNone(_ username: String) {
        let bytes = Check(username: username).bytes
        #expect(bytes.withBytes { UfragKey.receiver(of: $0) } == nil)
    }

    @Test func onlyBindingRequestsHaveOne() {
        for messageClass in [STUNMessage.Class.indication, .success, .error] {
            let bytes = Check(messageClass: messageClass).bytes
            #expect(bytes.withBytes { UfragKey.receiver(of: $0) } == nil)
        }
    }

    @Test func truncationsAndHostileBytesNeverTrap() {
        let bytes = Check().bytes
        for length in 0..<bytes.count { _ = Array(bytes.prefix(length)).withBytes { UfragKey.receiver(of: $0) } }
        var random = SplitMix64(seed: 2)
        for _ in 0..<20_000 {
            var hostile = bytes
            hostile[Int.random(in: 20..<32, using: &random)] = UInt8.random(in: 0...255, using: &random)
            _ = hostile.withBytes { UfragKey.receiver(of: $0) }
        }
    }
}
