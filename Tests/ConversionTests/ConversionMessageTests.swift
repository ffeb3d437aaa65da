import Conversion
import TestKit
import Testing
import Wire

private struct GoldenRequest: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let request: ConversionRequest
    let bytes: [UInt8]
    /// Bytes without which it is cut; beyond them a datagram may end anywhere.
    let minimumSize: Int

    static let all: [GoldenRequest] = [
        GoldenRequest(
            testDescription: "begin",
            request: .begin(
                ConversionFormat(
                    codec: .aac, clockRate: 48_000, channels: 2, configuration: [0x11, 0x90], bitRate: 96_000)),
            bytes: [1, 1, 1, 0, 0, 0xBB, 0x80, 2, 0, 1, 0x77, 0, 0x11, 0x90], minimumSize: 13),
        GoldenRequest(
            testDescription: "begin of what needs no configuration",
            request: .begin(ConversionFormat(codec: .mpegAudio, clockRate: 90_000, channels: 0, bitRate: 6_000)),
            bytes: [1, 1, 4, 0, 1, 0x5F, 0x90, 0, 0, 0, 0x17, 0x70], minimumSize: 12),
        GoldenRequest(
            testDescription: "frame", request: .frame(ConversionFrame(timestamp: 0x0102_0304_0506, payload: [7, 8])),
            bytes: [1, 2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], minimumSize: 12),
        GoldenRequest(
            testDescription: "frame after a discontinuity, before the epoch",
            request: .frame(ConversionFrame(timestamp: -2, isDiscontinuous: true, payload: [9])),
            bytes: [1, 2, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 9], minimumSize: 12),
        GoldenRequest(testDescription: "flush", request: .flush, bytes: [1, 3], minimumSize: 2),
    ]
}

private struct GoldenReply: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let reply: ConversionReply
    let bytes: [UInt8]
    let minimumSize: Int

    static let all: [GoldenReply] = [
        GoldenReply(
            testDescription: "ready", reply: .ready(ConversionReply.Decoder(name: "aac", version: "59.37")),
            bytes: [1, 0x81, 0, 3, 0x61, 0x61, 0x63, 0x35, 0x39, 0x2E, 0x33, 0x37], minimumSize: 7),
        GoldenReply(
            testDescription: "packet", reply: .packet(packet(timestamp: 960, [0xFC, 1, 2])),
            bytes: [1, 0x82, 0, 0, 0, 0, 0, 0, 3, 0xC0, 0xFC, 1, 2], minimumSize: 11),
        GoldenReply(
            testDescription: "fault of a frame", reply: .fault(ConversionReply.Fault(text: "bad", isFatal: false)),
            bytes: [1, 0x83, 0, 0x62, 0x61, 0x64], minimumSize: 3),
        GoldenReply(
            testDescription: "fatal fault", reply: .fault(ConversionReply.Fault(text: "", isFatal: true)),
            bytes: [1, 0x83, 1], minimumSize: 3),
        GoldenReply(testDescription: "flushed", reply: .flushed, bytes: [1, 0x84], minimumSize: 2),
    ]

    static func packet(timestamp: Int64, _ payload: [UInt8]) -> ConvertedPacket {
        guard let packet = ConvertedPacket(timestamp: timestamp, payload: payload) else {
            preconditionFailure("the golden packet is no Opus packet")
        }
        return packet
    }
}

private func request(_ bytes: [UInt8]) throws(ConversionError) -> ConversionRequest {
    try bytes.withBytes { (bytes: RawSpan) throws(ConversionError) in try ConversionRequest(parsing: bytes) }
}

private func reply(_ bytes: [UInt8]) throws(ConversionError) -> ConversionReply {
    try bytes.withBytes { (bytes: RawSpan) throws(ConversionError) in try ConversionReply(parsing: bytes) }
}

@Suite struct ConversionRequestTests {
    @Test(arguments: GoldenRequest.all)
    private func areWrittenAndRead(_ golden: GoldenRequest) throws {
        #expect(try golden.request.encoded() == golden.bytes)
        #expect(try request(golden.bytes) == golden.request)
    }

    @Test(arguments: GoldenRequest.all)
    private func everyTruncationThrows(_ golden: GoldenRequest) {
        for size in 0..<golden.minimumSize {
            #expect(throws: ConversionError.self) { try request(Array(golden.bytes.prefix(size))) }
        }
        for size in golden.minimumSize...golden.bytes.count {
            #expect(throws: Never.self) { try request(Array(golden.bytes.prefix(size))) }
        }
    }

    @Test(
        arguments: [
            ("nothing", [], .truncated), ("a version alone", [1], .truncated),
            ("another version", [2, 3], .version(2)), ("another kind", [1, 9], .unknownKind(9)),
            ("a reply", [1, 0x84], .unknownKind(0x84)), ("bytes behind the end", [1, 3, 0], .tooLong),
            ("unknown codec", [1, 1, 99, 0, 0, 0xBB, 0x80, 2, 0, 1, 0x77, 0], .outOfRange(.codec)),
            ("clock rate 0", [1, 1, 4, 0, 0, 0, 0, 2, 0, 1, 0x77, 0], .outOfRange(.clockRate)),
            ("nine channels", [1, 1, 4, 0, 0, 0xBB, 0x80, 9, 0, 1, 0x77, 0], .outOfRange(.channels)),
            ("samples of no channel", [1, 1, 7, 0, 0, 0xBB, 0x80, 0, 0, 1, 0x77, 0], .outOfRange(.channels)),
            ("bit rate 0", [1, 1, 4, 0, 0, 0xBB, 0x80, 2, 0, 0, 0, 0], .outOfRange(.bitRate)),
            ("AAC of no configuration", [1, 1, 1, 0, 0, 0xBB, 0x80, 2, 0, 1, 0x77, 0], .outOfRange(.configuration)),
            ("unknown flag", [1, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1], .outOfRange(.flags)),
            ("empty frame", [1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0], .outOfRange(.payload)),
            ("a time that is none", [1, 2, 0, 0x7F, 0, 0, 0, 0, 0, 0, 0, 1], .outOfRange(.timestamp)),
        ] as [(String, [UInt8], ConversionError)])
    func whatIsWrongIsTold(_ name: String, _ bytes: [UInt8], _ error: ConversionError) {
        #expect(throws: error) { try request(bytes) }
    }

    @Test func whatCannotBeReadIsNotWritten() {
        let frame = ConversionFrame(timestamp: 0, payload: [UInt8](repeating: 1, count: 65_536))
        #expect(throws: ConversionError.tooLong) { try ConversionRequest.frame(frame).encoded() }
        let late = ConversionFrame(timestamp: .max, payload: [1])
        #expect(throws: ConversionError.outOfRange(.timestamp)) { try ConversionRequest.frame(late).encoded() }
        let empty = ConversionFrame(timestamp: 0, payload: [])
        #expect(throws: ConversionError.outOfRange(.payload)) { try ConversionRequest.frame(empty).encoded() }
        let format = ConversionFormat(
            codec: .aac, clockRate: 48_000, channels: 2, configuration: [UInt8](repeating: 1, count: 1_025))
        #expect(throws: ConversionError.outOfRange(.configuration)) { try ConversionRequest.begin(format).encoded() }
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 47)
        var readable = 0
        for _ in 0..<20_000 {
            var bytes = GoldenRequest.all.randomElement(using: &random)?.bytes ?? []
            if random.next() % 4 == 0 { bytes = random.bytes(Int(random.next() % 40)) }
            for _ in 0..<Int(random.next() % 4) where !bytes.isEmpty {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let message = try? request(bytes) else { continue }
            readable += 1
            #expect((try? message.encoded()) == bytes)
        }
        #expect(readable > 1_000)
    }
}

@Suite struct ConversionReplyTests {
    @Test(arguments: GoldenReply.all)
    private func areWrittenAndRead(_ golden: GoldenReply) throws {
        #expect(try golden.reply.encoded() == golden.bytes)
        #expect(try reply(golden.bytes) == golden.reply)
    }

    @Test(arguments: GoldenReply.all)
    private func everyTruncationThrows(_ golden: GoldenReply) {
        for size in 0..<golden.minimumSize {
            #expect(throws: ConversionError.self) { try reply(Array(golden.bytes.prefix(size))) }
        }
        for size in golden.minimumSize...golden.bytes.count {
            #expect(throws: Never.self) { try reply(Array(golden.bytes.prefix(size))) }
        }
    }

    @Test(
        arguments: [
            ("another version", [0, 0x84], .version(0)), ("a request", [1, 3], .unknownKind(3)),
            ("bytes behind the end", [1, 0x84, 0], .tooLong),
            ("a name that is cut", [1, 0x81, 0, 3, 0x61], .truncated),
            ("a name that is too long", [1, 0x81, 4, 1] + [UInt8](repeating: 0x61, count: 0x401), .outOfRange(.text)),
            ("no Opus", [1, 0x82, 0, 0, 0, 0, 0, 0, 3, 0xC0], .outOfRange(.payload)),
            // 3 × 60 ms
            ("too long an Opus packet", [1, 0x82, 0, 0, 0, 0, 0, 0, 0, 0, 0x1B, 3, 1], .outOfRange(.payload)),
            ("unknown flag", [1, 0x83, 4], .outOfRange(.flags)),
        ] as [(String, [UInt8], ConversionError)])
    func whatIsWrongIsTold(_ name: String, _ bytes: [UInt8], _ error: ConversionError) {
        #expect(throws: error) { try reply(bytes) }
    }

    @Test func packetsTellTheirDuration() throws {
        // CELT, 20 ms, and 2 × 20 ms.
        #expect(try #require(ConvertedPacket(timestamp: 0, payload: [0xFC, 1])).duration == 960)
        #expect(try #require(ConvertedPacket(timestamp: 0, payload: [0xFD, 1, 1])).duration == 1_920)
        #expect(ConvertedPacket(timestamp: 0, payload: []) == nil)
    }

    @Test func textsAreCutBetweenCharacters() throws {
        let fault = ConversionReply.Fault(text: "a" + String(repeating: "ü", count: 600), isFatal: false)
        guard case .fault(let read) = try reply(try ConversionReply.fault(fault).encoded()) else {
            Issue.record("no fault came back")
            return
        }
        #expect(read.text == "a" + String(repeating: "ü", count: 511))
        // What is no UTF-8 is repaired.
        #expect(try reply([1, 0x83, 0, 0xC3]) == .fault(ConversionReply.Fault(text: "\u{FFFD}", isFatal: false)))
    }

    @Test func hostileBytesNeverTrap() {
        var random = SplitMix64(seed: 48)
        var readable = 0
        for _ in 0..<20_000 {
            var bytes = GoldenReply.all.randomElement(using: &random)?.bytes ?? []
            if random.next() % 4 == 0 { bytes = random.bytes(Int(random.next() % 40)) }
            for _ in 0..<Int(random.next() % 4) where !bytes.isEmpty {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            guard let message = try? reply(bytes) else { continue }
            readable += 1
            guard let written = try? message.encoded() else {
                Issue.record("\(message) reads and is not written")
                continue
            }
            #expect(throws: Never.self) { try reply(written) }
        }
        #expect(readable > 1_000)
    }
}
