import ICE
import RTP
import Wire

/// What goes beside the media: reports, feedback, connectivity checks.
enum ControlBenchmarks {
    static func run(_ bench: inout Bench) {
        reports(&bench)
        feedback(&bench)
        checks(&bench)
    }

    private static func reports(_ bench: inout Bench) {
        var output: [UInt8] = []
        output.reserveCapacity(256)
        var statistics = SenderStatistics()
        bench.measure("RTCP: build a sender report and its CNAME") { index in
            output.removeAll(keepingCapacity: true)
            statistics.sent(payloadSize: 1_000)
            let report = statistics.makeReport(
                ssrc: 1, ntp: UInt64(truncatingIfNeeded: index) << 32, timestamp: UInt32(truncatingIfNeeded: index))
            RTCPWriter.append(report, to: &output)
            RTCPWriter.appendSourceDescription(ssrc: 1, cname: "0123456789abcdef", to: &output)
            return output.count
        }
        var report: [UInt8] = []
        let block = ReportBlock(
            ssrc: 1, fractionLost: 0, cumulativeLost: 0, extendedHighestSequenceNumber: 1, jitter: 1,
            lastSenderReport: 1, delaySinceLastSenderReport: 1)
        RTCPWriter.appendReceiverReport(ssrc: 2, blocks: [block, block], to: &report)
        bench.measure("RTCP: read a receiver report of two blocks") { _ in
            report.withBytes { compound in
                var packets = RTCPIterator()
                var sum = 0
                while let packet = try? packets.next(in: compound) {
                    guard case .receiverReport(_, let blocks) = packet else { continue }
                    for index in 0..<blocks.count { sum &+= Int(blocks.block(at: index, in: compound)?.ssrc ?? 0) }
                }
                return sum
            }
        }
    }

    private static func feedback(_ bench: inout Bench) {
        var feedback = TransportWideFeedback()
        var output: [UInt8] = []
        output.reserveCapacity(4_096)
        bench.measure("TWCC: note a packet, feedback every 30") { index in
            feedback.received(UInt16(truncatingIfNeeded: index), at: .milliseconds(1_000 + UInt64(index) * 3))
            guard index % 30 == 29 else { return 0 }
            output.removeAll(keepingCapacity: true)
            feedback.append(sender: 1, media: 2, to: &output)
            return output.count
        }
    }

    /// More than the agent remembers, so that none is taken for a retransmission.
    private static let distinctChecks = 64

    private static func checks(_ bench: inout Bench) {
        let local = ICECredentials(ufrag: "lite12345678", password: "thePasswordOfTheServer+/01")
        let remote = ICECredentials(ufrag: "1Aci", password: "thePasswordOfTheClient+/01")
        var agent = ICELiteAgent(local: local, remote: remote, authentication: .library, startedAt: .seconds(1))
        let tuple = TransportTuple(
            local: SocketAddress(ipv4: 0x7F00_0001, port: 8189), remote: SocketAddress(ipv4: 0x7F00_0001, port: 40_000))
        let checks = (0..<distinctChecks).map { index in
            var request: [UInt8] = []
            let writer = STUNWriter(
                .request, transactionID: STUNTransactionID(high: 1, low: UInt64(index)), into: &request)
            writer.append(.username, Array("\(local.ufrag):\(remote.ufrag)".utf8), into: &request)
            writer.append(.iceControlling, integer: UInt64(1), into: &request)
            writer.append(.priority, integer: UInt32(1), into: &request)
            writer.append(.useCandidate, [], into: &request)
            writer.appendIntegrity(key: Array(local.password.utf8), .library, into: &request)
            writer.appendFingerprint(into: &request)
            return request
        }
        var response: [UInt8] = []
        bench.measure("ICE: answer a connectivity check", calls: 5_000) { index in
            response.removeAll(keepingCapacity: true)
            let now = Instant.milliseconds(1_000 + UInt64(index) / 10)
            checks[index % distinctChecks].withBytes {
                _ = agent.received($0, on: tuple, at: now, response: &response)
            }
            return response.count
        }
    }
}
