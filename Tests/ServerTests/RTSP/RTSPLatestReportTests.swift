import RTP
import Testing
import Wire

@testable import Server

/// RTSP-27: who comes between two reports gets one that fits the packets of that moment.
@Suite struct RTSPLatestReportTests {
    private static let report = SenderReport(
        ssrc: 7, ntp: 0x0000_0010_8000_0000, timestamp: 0xFFFF_0000, packetCount: 3, octetCount: 4)

    private func kept(clockRate: UInt32) -> RTSPLatestReport {
        var bytes: [UInt8] = []
        RTCPWriter.append(Self.report, to: &bytes)
        var latest = RTSPLatestReport(clockRate: clockRate)
        bytes.withBytes { latest.keep($0, at: .milliseconds(1_000)) }
        return latest
    }

    private func parsed(_ bytes: [UInt8]) throws -> SenderReport? {
        try bytes.withBytes { bytes in
            var packets = RTCPIterator()
            guard case .senderReport(let report, _) = try packets.next(in: bytes) else { return nil }
            return report
        }
    }

    @Test func aReportIsBroughtForwardInBothClocks() throws {
        let latest = kept(clockRate: 90_000)
        #expect(try parsed(latest.bytes(at: .milliseconds(1_000))) == Self.report)
        var expected = Self.report
        // Two and a half seconds, over the end of the timestamps.
        expected.ntp = 0x0000_0013_0000_0000
        expected.timestamp = 0xFFFF_0000 &+ 225_000
        #expect(try parsed(latest.bytes(at: .milliseconds(3_500))) == expected)
    }

    @Test func whatIsNoSenderReportIsNotKept() {
        var latest = RTSPLatestReport(clockRate: 48_000)
        #expect(latest.bytes(at: .milliseconds(1)).isEmpty)
        var bytes: [UInt8] = []
        RTCPWriter.appendReceiverReport(ssrc: 1, blocks: [], to: &bytes)
        bytes += Array(repeating: 0, count: 28)
        bytes.withBytes { latest.keep($0, at: .milliseconds(1)) }
        #expect(latest.bytes(at: .milliseconds(2)).isEmpty)
    }
}
