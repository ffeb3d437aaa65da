import Testing
import Wire

@testable import Secure

/// The published vectors: RFC 3711, appendix B.3, and RFC 7714, sections 16 and 17.
@Suite struct SRTPVectorTests {
    @Test func derivesTheKeysOfTheStandard() throws {
        let keys = try SRTPSessionKeys(
            .rtp, masterKey: SecretBytes(hex("E1F97A0D3E018BE0D64FA32C06DE4139")),
            masterSalt: SecretBytes(hex("0EC675AD498AFEEBB6960B3AABE6")))
        #expect(front(keys.encryption, 16) == hex("C61E7A93744F39EE10734AFE3FF7A087"))
        #expect(front(keys.salt, 14) == hex("30CBBC08863D8C85D49DB34A9AE1"))
        #expect(front(keys.authentication, 20) == hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"))
    }

    static let rtp = hex(
        """
        8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573
        """)

    static let protectedRTP: [(SRTPProfile, [UInt8])] = [
        (
            .aeadAES128GCM,
            hex(
                """
                8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b
                36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce
                """)
        ),
        (
            .aeadAES256GCM,
            hex(
                """
                8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f
                1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13
                """)
        ),
    ]

    @Test(arguments: protectedRTP)
    func sealsAndOpensTheRTPOfTheStandard(_ profile: SRTPProfile, _ expected: [UInt8]) throws {
        let end = Self.rtp.count
        var packet = Self.rtp + [UInt8](repeating: 0, count: 16)
        let sealed = try transform(profile, .rtp, .seal, &packet, header: 12, end: end, 0x5501_a0b2, 0xf17b, trailer: 0)
        #expect(sealed)
        #expect(packet == expected)
        let opened = try transform(profile, .rtp, .open, &packet, header: 12, end: end, 0x5501_a0b2, 0xf17b, trailer: 0)
        #expect(opened)
        #expect(Array(packet[..<end]) == Self.rtp)
    }

    @Test func sealsTheRTCPOfTheStandard() throws {
        let plain = hex(
            """
            81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
            deadbeef deadbeef deadbeef deadbeef deadbeef
            """)
        var packet = plain + [UInt8](repeating: 0, count: 16)
        let sealed = try transform(
            .aeadAES128GCM, .rtcp, .seal, &packet, header: 8, end: plain.count, 0x4d61_7273, 0x5d4, trailer: 0x8000_05d4
        )
        #expect(sealed)
        #expect(
            packet
                == hex(
                    """
                    81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda
                    4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade
                    """))
    }

    @Test func keyBlockIsSplitByRole() throws {
        for profile in SRTPProfile.allCases {
            let block = (0..<profile.keyBlockLength).map { UInt8($0) }
            let keys = try #require(
                block.withBytes { SRTPKeyMaterial(profile: profile, keyBlock: $0, isClient: true) })
            let mirrored = try #require(
                block.withBytes { SRTPKeyMaterial(profile: profile, keyBlock: $0, isClient: false) })
            let (key, salt) = (profile.keyLength, profile.saltLength)
            #expect(keys.localKey.withBytes { $0.array } == Array(block[..<key]))
            #expect(keys.remoteKey.withBytes { $0.array } == Array(block[key..<2 * key]))
            #expect(keys.localSalt.withBytes { $0.array } == Array(block[2 * key..<2 * key + salt]))
            #expect(keys.remoteSalt.withBytes { $0.array } == Array(block[(2 * key + salt)...]))
            #expect(mirrored.localKey.withBytes { $0.array } == keys.remoteKey.withBytes { $0.array })
            #expect(mirrored.localSalt.withBytes { $0.array } == keys.remoteSalt.withBytes { $0.array })
            let shorter = block.withBytes { block in
                SRTPKeyMaterial(
                    profile: profile, keyBlock: block.extracting(0..<block.byteCount - 1), isClient: true) == nil
            }
            #expect(shorter)
        }
        #expect(SRTPProfile.allCases.map(\.keyBlockLength) == [60, 60, 56, 88])
    }

    private func transform(
        _ profile: SRTPProfile, _ stream: SRTPCipher.Stream, _ direction: SRTPCipher.Direction, _ packet: inout [UInt8],
        header: Int, end: Int, _ ssrc: UInt32, _ index: UInt64, trailer: UInt32
    ) throws -> Bool {
        // The vectors give session keys, so nothing is derived.
        var keys = try SRTPSessionKeys(
            stream, masterKey: SecretBytes([UInt8](repeating: 0, count: 16)), masterSalt: SecretBytes([]))
        keys.erase()
        for offset in 0..<32 { keys.encryption[offset] = UInt8(offset) }
        for (offset, byte) in "Quid pro quo".utf8.enumerated() { keys.salt[offset] = byte }
        let cipher = try SRTPCipher(profile: profile, stream: stream, direction: direction, keys: keys)
        return unsafe packet.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return false }
            return switch direction {
            case .seal:
                unsafe cipher.seal(
                    base, header: header, end: end, ssrc: ssrc, index: index, trailer: trailer, tag: base + end)
            case .open:
                unsafe cipher.open(
                    base, header: header, end: end, ssrc: ssrc, index: index, trailer: trailer, tag: base + end)
            }
        }
    }

    private func front(_ bytes: InlineArray<32, UInt8>, _ count: Int) -> [UInt8] {
        (0..<count).map { bytes[$0] }
    }
}
