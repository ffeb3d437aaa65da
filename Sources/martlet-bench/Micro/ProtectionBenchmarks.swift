import Secure
import Wire

/// SRTP and SRTCP with each profile, on packets of 1200 bytes and reports of 100.
enum ProtectionBenchmarks {
    private static let calls = 10_000

    static func run(_ bench: inout Bench) throws {
        for profile in [SRTPProfile.aeadAES128GCM, .aeadAES256GCM, .aes128CMSHA1_80, .aes128CMSHA1_32] {
            try media(profile, &bench)
        }
        try control(.aeadAES128GCM, &bench)
    }

    private static func media(_ profile: SRTPProfile, _ bench: inout Bench) throws {
        let key = SecretBytes(Array(repeating: 1, count: profile.keyLength))
        let salt = SecretBytes(Array(repeating: 2, count: profile.saltLength))
        let sender = try SRTPSender(profile: profile, key: key, salt: salt)
        let receiver = try SRTPReceiver(profile: profile, key: key, salt: salt)
        var packet = SamplePacket.bytes()
        var batch = PacketBatch(byteCapacity: 2_000, packetCapacity: 1)
        // Receiving needs packets that nobody has seen, so both directions run, and the first by itself before.
        func protect(_ index: Int) -> Int {
            SamplePacket.number(&packet, index, timestamp: 0)
            batch.removeAll()
            _ = batch.append(maximumSize: SyntheticMedia.packetSize + SRTPProfile.maximumTagLength) { output in
                packet.withBytes { output.append(contentsOf: $0) }
                _ = sender.protect(&output)
            }
            return batch.byteCount
        }
        var next = 0
        bench.measure("SRTP \(profile): protect", calls: calls) { index in
            next = index + 1
            return protect(index)
        }
        bench.measure("SRTP \(profile): protect and unprotect", calls: calls) { index in
            _ = protect(next + index)
            return batch.withMutablePacket(at: 0) { (try? receiver.unprotect(&$0)) ?? 0 }
        }
    }

    private static func control(_ profile: SRTPProfile, _ bench: inout Bench) throws {
        let key = SecretBytes(Array(repeating: 1, count: profile.keyLength))
        let salt = SecretBytes(Array(repeating: 2, count: profile.saltLength))
        let sender = try SRTCPSender(profile: profile, key: key, salt: salt)
        let plain: [UInt8] = [0x80, 200, 0, 24] + Array(repeating: 0, count: 96)
        var report: [UInt8] = []
        report.reserveCapacity(256)
        bench.measure("SRTCP \(profile): protect", calls: calls) { _ in
            report.removeAll(keepingCapacity: true)
            plain.withBytes { report.append(contentsOf: $0) }
            _ = sender.protect(&report)
            return report.count
        }
    }
}
