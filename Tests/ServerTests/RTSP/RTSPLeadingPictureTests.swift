import Testing
import Wire

@testable import Server

/// Readers of H.265 with open groups, on the wire: each begins at the CRA picture without what it cannot decode (PAY-21).
@Suite struct RTSPLeadingPictureTests {
    private typealias Client = RTSPServerTests.Client
    private static let cra: UInt8 = 21
    private static let skipped: UInt8 = 9
    private static let trailing: UInt8 = 1

    private static let description = """
        v=0\r
        o=- 0 0 IN IP4 127.0.0.1\r
        s=test\r
        t=0 0\r
        m=video 0 RTP/AVP 96\r
        a=rtpmap:96 H265/90000\r
        a=control:streamid=0\r\n
        """

    /// A picture in one packet.
    private static func packet(_ number: UInt16, _ type: UInt8, shown: UInt32) -> [UInt8] {
        var bytes: [UInt8] = [0x80, 0x80 | 96]
        bytes.append(bigEndian: number)
        bytes.append(bigEndian: 90_000 + 3_600 * shown)
        bytes.append(bigEndian: UInt32(0xABCD))
        return bytes + [type << 1, 1, 0x80, UInt8(truncatingIfNeeded: number)]
    }

    /// Types of the next packets of a reader; their numbers have to follow each other, and `previous`.
    private static func types(
        _ count: Int, of reader: Client, after previous: inout UInt16?
    ) async -> [UInt8] {
        var types: [UInt8] = []
        for _ in 0..<count {
            let packet = await reader.packet()
            guard packet.count > 12 else { break }
            let number = UInt16(packet[2]) << 8 | UInt16(packet[3])
            if let previous { #expect(number == previous &+ 1) }
            previous = number
            types.append(packet[12] >> 1)
        }
        return types
    }

    @Test func eachReaderBeginsWithoutThePicturesBeforeItsKeyframe() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            _ = await publisher.ask("ANNOUNCE \(url)", "Content-Type: application/sdp", body: Self.description)
            _ = await publisher.ask("SETUP \(url)/streamid=0", "Transport: RTP/AVP/TCP;interleaved=0-1;mode=record")
            _ = await publisher.ask("RECORD \(url)")
            var first = try await Client(address, loop)
            #expect(await first.play(url) == Array(repeating: RTSPServerTests.success, count: 3))
            func send(_ number: UInt16, _ type: UInt8, shown: UInt32) async {
                await publisher.raw.send(RTSPServerTests.frame(Self.packet(number, type, shown: shown)))
            }
            await send(0, Self.cra, shown: 3)
            await send(1, Self.skipped, shown: 1)
            await send(2, Self.skipped, shown: 2)
            await send(3, Self.trailing, shown: 4)
            await send(4, Self.trailing, shown: 5)
            var (firstNumber, secondNumber) = (UInt16?.none, UInt16?.none)
            let begun = [Self.cra, Self.trailing, Self.trailing]
            #expect(await Self.types(3, of: first, after: &firstNumber) == begun)
            var second = try await Client(address, loop)
            #expect(await second.play(url) == Array(repeating: RTSPServerTests.success, count: 3))
            #expect(await Self.types(3, of: second, after: &secondNumber) == begun)
            // Both have seen what these refer to.
            await send(5, Self.cra, shown: 8)
            await send(6, Self.skipped, shown: 6)
            await send(7, Self.trailing, shown: 9)
            let further = [Self.cra, Self.skipped, Self.trailing]
            #expect(await Self.types(3, of: first, after: &firstNumber) == further)
            #expect(await Self.types(3, of: second, after: &secondNumber) == further)
        }
    }
}
