import Testing
import Wire

@testable import Secure

@Suite struct DigestTests {
    @Test func sha2OfTheStandardsExample() {
        let message = Array("abc".utf8)
        #expect(
            message.withBytes { Digest.sha256($0) }
                == hex("ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad"))
        #expect(
            message.withBytes { Digest.sha384($0) }
                == hex(
                    """
                    cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed
                    8086072ba1e7cc2358baeca134c825a7
                    """))
        #expect(
            message.withBytes { Digest.sha512($0) }
                == hex(
                    """
                    ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
                    2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f
                    """))
    }

    /// RFC 2202, section 3, cases 1, 2 and 6 (a key longer than a block).
    @Test func hmacSHA1OfTheStandardsExamples() {
        #expect(
            hmacSHA1([UInt8](repeating: 0x0b, count: 20), "Hi There") == hex("b617318655057264e28bc0b6fb378c8ef146be00")
        )
        #expect(
            hmacSHA1(Array("Jefe".utf8), "what do ya want for nothing?")
                == hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"))
        #expect(
            hmacSHA1([UInt8](repeating: 0xaa, count: 80), "Test Using Larger Than Block-Size Key - Hash Key First")
                == hex("aa4ae5e15272d00e95705637ce8a3b55ed402112"))
    }

    /// RFC 4231, test cases 2 and 6.
    @Test func hmacSHA256OfTheStandardsExamples() {
        #expect(
            hmacSHA256(Array("Jefe".utf8), "what do ya want for nothing?")
                == hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"))
        #expect(
            hmacSHA256([UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First")
                == hex("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"))
    }

    @Test func comparingLooksAtEveryByteAndTheLength() {
        let bytes: [UInt8] = [1, 2, 3]
        #expect(equal(bytes, [1, 2, 3]))
        #expect(!equal(bytes, [1, 2, 4]))
        #expect(!equal(bytes, [0, 2, 3]))
        #expect(!equal(bytes, [1, 2]))
        #expect(equal([], []))
    }

    @Test func randomBytesDifferAndFillEveryPosition() {
        #expect(SecureRandom.bytes(32) != SecureRandom.bytes(32))
        #expect(SecureRandom.bytes(0).isEmpty)
        var union = [UInt8](repeating: 0, count: 40)
        for _ in 0..<64 {
            for (offset, byte) in SecureRandom.bytes(40).enumerated() { union[offset] |= byte }
        }
        #expect(union == [UInt8](repeating: 0xFF, count: 40))
        var generator = SecureRandom.Generator()
        #expect(Set((0..<100).map { _ in generator.next() }).count == 100)
    }

    @Test func secretsAreNotPrinted() {
        let secret = SecretBytes([0xAB, 0xCD])
        #expect("\(secret)" == "secret, 2 bytes")
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!dumped.contains("171") && !dumped.lowercased().contains("ab"))
    }

    private func hmacSHA1(_ key: [UInt8], _ message: String) -> [UInt8] {
        key.withBytes { key in Array(message.utf8).withBytes { Digest.hmacSHA1(key: key, $0) } }
    }

    private func hmacSHA256(_ key: [UInt8], _ message: String) -> [UInt8] {
        key.withBytes { key in Array(message.utf8).withBytes { Digest.hmacSHA256(key: key, $0) } }
    }

    private func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.withBytes { left in right.withBytes { constantTimeEquals(left, $0) } }
    }
}
