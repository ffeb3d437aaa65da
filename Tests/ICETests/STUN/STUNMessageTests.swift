import ICE
import TestKit
import Testing
import Wire

@Suite struct STUNMessageTests {
    /// A request with attributes as raw bytes after the header, its length field right.
    private static func message(_ attributes: [UInt8], type: UInt16 = 1) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: type)
        bytes.append(bigEndian: UInt16(attributes.count))
        bytes += [0x21, 0x12, 0xA4, 0x42] + (1...12).map { UInt8($0) }
        return bytes + attributes
    }

    private static let integrity: [UInt8] = [0, 8, 0, 20] + [UInt8](repeating: 7, count: 20)
    private static let integritySHA256: [UInt8] = [0, 0x1C, 0, 32] + [UInt8](repeating: 7, count: 32)
    private static let fingerprint: [UInt8] = [0x80, 0x28, 0, 4, 1, 2, 3, 4]
    private static let software: [UInt8] = [0x80, 0x22, 0, 1, 65, 0, 0, 0]

    @Test(arguments: [
        ("no attributes", message([])),
        ("unpadded value", message([0x80, 0x22, 0, 3, 1, 2, 3, 0xFF])),
        ("unknown optional", message([0xC0, 0x57, 0, 4, 0, 0, 0, 10])),
        ("both integrities", message(integrity + integritySHA256 + fingerprint)),
        ("nomination of another size", message([0xC0, 0x01, 0, 2, 0, 1, 0, 0])),
    ])
    func acceptsWellFormed(_ name: String, _ bytes: [UInt8]) throws {
        _ = try parsed(bytes)
    }

    @Test(
        arguments: [
            ("empty", [], STUNError.size),
            ("19 bytes", Array(message([]).prefix(19)), .size),
            ("too long", message([UInt8](repeating: 0, count: 2048)), .size),
            ("length not a multiple of four", message([0x80, 0x22, 0, 1, 65]), .length),
            ("length short of the datagram", message([]) + [0, 0, 0, 0], .length),
            ("length past the datagram", Array(message(software).dropLast(4)), .length),
            ("attribute past the end", message([0x80, 0x22, 0, 5, 65, 66, 67, 68]), .attributeBounds),
            ("attribute header cut", message(software + [0x80, 0x22, 0xFF, 0xFF]), .attributeBounds),
            ("PRIORITY of 8", message([0, 0x24, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]), .attributeSize(0x24)),
            ("ICE-CONTROLLING of 4", message([0x80, 0x2A, 0, 4, 0, 0, 0, 0]), .attributeSize(0x802A)),
            ("ICE-CONTROLLED of 4", message([0x80, 0x29, 0, 4, 0, 0, 0, 0]), .attributeSize(0x8029)),
            ("USE-CANDIDATE of 4", message([0, 0x25, 0, 4, 0, 0, 0, 0]), .attributeSize(0x25)),
            ("MESSAGE-INTEGRITY of 16", message([0, 8, 0, 16] + [UInt8](repeating: 0, count: 16)), .attributeSize(8)),
            ("SHA-256 of 16", message([0, 0x1C, 0, 16] + [UInt8](repeating: 0, count: 16)), .attributeSize(0x1C)),
            ("FINGERPRINT of 8", message([0x80, 0x28, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]), .attributeSize(0x8028)),
            (
                "XOR-MAPPED-ADDRESS of 12", message([0, 0x20, 0, 12] + [UInt8](repeating: 0, count: 12)),
                .attributeSize(0x20)
            ),
            ("ERROR-CODE of 0", message([0, 9, 0, 0]), .attributeSize(9)),
            ("USERNAME of 516", message([0, 6, 2, 4] + [UInt8](repeating: 65, count: 516)), .attributeSize(6)),
            ("SOFTWARE after FINGERPRINT", message(fingerprint + software), .attributeOrder(0x8022)),
            ("two FINGERPRINTs", message(fingerprint + fingerprint), .attributeOrder(0x8028)),
            ("SOFTWARE after integrity", message(integrity + software), .attributeOrder(0x8022)),
            ("two integrities of one kind", message(integrity + integrity), .attributeOrder(8)),
            ("weaker integrity last", message(integritySHA256 + integrity), .attributeOrder(8)),
            ("two SHA-256", message(integritySHA256 + integritySHA256), .attributeOrder(0x1C)),
        ] as [(String, [UInt8], STUNError)])
    func refusesMalformed(_ name: String, _ bytes: [UInt8], _ error: STUNError) {
        #expect(throws: error) { try parsed(bytes) }
    }

    @Test func refusesOtherProtocols() {
        var cookie = Self.message([])
        cookie[4] = 0x22
        #expect(throws: STUNError.notSTUN) { try parsed(cookie) }
        for bits in [0x40, 0x80, 0xC0] as [UInt8] {
            var bytes = Self.message([])
            bytes[0] |= bits
            #expect(throws: STUNError.notSTUN) { try parsed(bytes) }
        }
    }

    @Test(
        arguments: [
            (0x0001, STUNMessage.Class.request, 1), (0x0011, .indication, 1), (0x0101, .success, 1),
            (0x0111, .error, 1),
            (0x3EEF, .request, 0xFFF), (0x0022, .request, 0x012), (0x0003, .request, 3),
        ] as [(UInt16, STUNMessage.Class, UInt16)])
    func classAndMethodAreUntangled(_ type: UInt16, _ messageClass: STUNMessage.Class, _ method: UInt16) throws {
        let message = try parsed(Self.message([], type: type))
        #expect(message.messageClass == messageClass)
        #expect(message.method == method)
        var written: [UInt8] = []
        let writer = STUNWriter(messageClass, method: method, transactionID: message.transactionID, into: &written)
        writer.finish(&written)
        #expect(written == Self.message([], type: type))
    }

    @Test func theFirstOfRepeatedAttributesCounts() throws {
        let message = try parsed(
            Self.message([0, 0x24, 0, 4, 0, 0, 0, 1, 0, 0x24, 0, 4, 0, 0, 0, 2, 0, 6, 0, 1, 65, 0, 0, 0, 0, 6, 0, 0]))
        #expect(message.priority == 1)
        #expect(message.username == 40..<41)
    }

    @Test func unknownRequiredAttributesAreListedUpToTheBound() throws {
        let attributes = (0..<20).flatMap { [0x7F, $0, 0, 0] as [UInt8] }
        let message = try parsed(Self.message(attributes))
        #expect(message.unknownRequiredCount == STUNMessage.maximumUnknownAttributes)
        #expect(message.unknownRequired[7] == 0x7F07)
    }

    @Test func everyTruncationThrows() {
        let bytes = Check.nominating(1).bytes
        for length in 0..<bytes.count {
            #expect(throws: STUNError.self) { try parsed(Array(bytes.prefix(length))) }
        }
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 1)
        let valid = Check(useCandidate: true, nomination: 4, integrity: .both).bytes
        var scratch: [UInt8] = []
        for round in 0..<20_000 {
            var bytes =
                round.isMultiple(of: 2) ? valid : Self.message(random.bytes(4 * Int.random(in: 0...30, using: &random)))
            for _ in 0..<Int.random(in: 0...4, using: &random) {
                let index = Int.random(in: 20..<max(21, bytes.count), using: &random)
                if index < bytes.count { bytes[index] = UInt8.random(in: 0...255, using: &random) }
            }
            bytes.withBytes { datagram in
                _ = UfragKey.receiver(of: datagram)
                guard let message = try? STUNMessage(parsing: datagram) else { return }
                _ = message.mappedAddress(in: datagram)
                _ = message.fingerprintIsValid(in: datagram)
                if round.isMultiple(of: 50) {
                    _ = message.integrityIsValid(
                        in: datagram, key: [1, 2, 3], authentication: ReferenceHash.authentication, scratch: &scratch)
                }
                if let username = message.username { #expect(username.upperBound <= datagram.byteCount) }
            }
        }
    }
}
