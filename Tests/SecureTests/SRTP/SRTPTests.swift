import TestKit
import Testing
import Wire

@testable import Secure

/// What the receiver and sender refuse and remember; the bits themselves are the oracle's business.
@Suite struct SRTPTests {
    @Test(arguments: SRTPProfile.allCases)
    func everyLengthUpToSixtyFourIsRefusedWithoutATrap(_ profile: SRTPProfile) throws {
        let pair = try Pair(profile)
        var random = SplitMix64(seed: 3)
        for length in 0...64 {
            for first: UInt8 in [0x80, 0x90, 0x8F, 0x9F, 0x00] {
                var packet = random.bytes(length)
                if length > 0 { packet[0] = first }
                let rtp = pair.receive(packet)
                let rtcp = pair.receiveControl(packet)
                if length < 12 + profile.tagLength { #expect(rtp.error == .tooShort) }
                if length < 12 + profile.controlTagLength { #expect(rtcp.error == .tooShort) }
                #expect(rtp.error != nil && rtcp.error != nil)
            }
        }
        #expect(pair.receiver.statistics.accepted == 0)
    }

    @Test(arguments: SRTPProfile.allCases)
    func smallestPacketsMakeTheRoundTrip(_ profile: SRTPProfile) throws {
        let pair = try Pair(profile)
        let packet = rtp(number: 7, payload: 0)
        let protected = try #require(pair.send(packet))
        #expect(protected.count == 12 + profile.tagLength)
        #expect(pair.receive(protected).packet == packet)
        let report: [UInt8] = [0x80, 201, 0, 1, 0, 0, 0, 9]
        let control = try #require(pair.sendControl(report))
        #expect(control.count == 12 + profile.controlTagLength)
        #expect(pair.receiveControl(control).packet == report)
    }

    @Test(arguments: SRTPProfile.allCases)
    func anyFlippedBitFailsAuthentication(_ profile: SRTPProfile) throws {
        let pair = try Pair(profile)
        let protected = try #require(pair.send(rtp(number: 7, payload: 20)))
        for bit in 0..<protected.count * 8 {
            var damaged = protected
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(pair.receive(damaged).packet == nil, "bit \(bit)")
        }
        // None of that changed the state: the packet itself still counts as new.
        #expect(pair.receive(protected).packet != nil)

        let control = try #require(pair.sendControl([0x80, 201, 0, 1, 0, 0, 0, 9]))
        for bit in 0..<control.count * 8 {
            var damaged = control
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(pair.receiveControl(damaged).packet == nil, "bit \(bit)")
        }
        #expect(pair.receiveControl(control).packet != nil)
    }

    @Test func wrongKeyFailsAndIsCounted() throws {
        let pair = try Pair(.aeadAES128GCM)
        let stranger = try Pair(.aeadAES128GCM, seed: 99)
        let packet = try #require(stranger.send(rtp(number: 1)))
        #expect(pair.receive(packet).error == .authenticationFailed)
        let control = try #require(stranger.sendControl([0x80, 201, 0, 1, 0, 0, 0, 9]))
        #expect(pair.receiveControl(control).error == .authenticationFailed)
        #expect(pair.receiver.statistics.authenticationFailures == 1)
        #expect(pair.controlReceiver.statistics.authenticationFailures == 1)
    }

    @Test func replaysAreCountedApartFromFailures() throws {
        let pair = try Pair(.aes128CMSHA1_80)
        let packet = try #require(pair.send(rtp(number: 1)))
        #expect(pair.receive(packet).error == nil)
        #expect(pair.receive(packet).error == .replayed)
        let control = try #require(pair.sendControl([0x80, 201, 0, 1, 0, 0, 0, 9]))
        #expect(pair.receiveControl(control).error == nil)
        #expect(pair.receiveControl(control).error == .replayed)
        #expect(pair.receiver.statistics.replayed == 1)
        #expect(pair.receiver.statistics.authenticationFailures == 0)
    }

    @Test func packetsOlderThanTheWindowAreTooOld() throws {
        let pair = try Pair(.aeadAES128GCM)
        let first = try #require(pair.send(rtp(number: 0)))
        let second = try #require(pair.send(rtp(number: 1)))
        let newest = try #require(pair.send(rtp(number: UInt16(SRTPReceiver.window))))
        #expect(pair.receive(newest).error == nil)
        #expect(pair.receive(first).error == .tooOld)
        #expect(pair.receive(second).error == nil)

        let reports = (0...SRTCPReceiver.window).compactMap { _ in pair.sendControl([0x80, 201, 0, 1, 0, 0, 0, 9]) }
        #expect(pair.receiveControl(reports[SRTCPReceiver.window]).error == nil)
        #expect(pair.receiveControl(reports[0]).error == .tooOld)
        #expect(pair.receiveControl(reports[1]).error == nil)
    }

    @Test func receiverFollowsSixtyFourStreamsAndNoMore() throws {
        let pair = try Pair(.aeadAES128GCM)
        for ssrc in 0..<UInt32(1000) {
            // One sender serves 16 streams, so every SSRC has its own, with the same keys.
            let sender = try Pair(.aeadAES128GCM)
            let packet = try #require(sender.send(rtp(number: 1, ssrc: ssrc)))
            #expect(pair.receive(packet).error == (ssrc < 64 ? nil : .tooManyStreams))
            let control = try #require(
                sender.sendControl([0x80, 201, 0, 1, 0, 0] + [UInt8(ssrc >> 8), UInt8(ssrc & 255)]))
            #expect(pair.receiveControl(control).error == (ssrc < 64 ? nil : .tooManyStreams))
        }
        let known = try #require(pair.send(rtp(number: 2, ssrc: 63)))
        #expect(pair.receive(known).error == nil)
    }

    @Test func senderServesSixteenStreamsAndNoMore() throws {
        let pair = try Pair(.aeadAES128GCM)
        for ssrc in 0..<UInt32(20) {
            #expect((pair.send(rtp(number: 1, ssrc: ssrc)) != nil) == (ssrc < 16))
        }
        #expect(pair.send(rtp(number: 2, ssrc: 3)) != nil)
        #expect(pair.sender.refused == 4)
    }

    @Test func resendIsTheSameCiphertextAndAnotherPacketIsRefused() throws {
        for profile in SRTPProfile.allCases {
            let pair = try Pair(profile)
            let packet = rtp(number: 65_535)
            let once = pair.send(packet)
            #expect(once != nil)
            for number: UInt16 in 0...1022 { #expect(pair.send(rtp(number: number)) != nil) }
            #expect(pair.send(packet) == once, "also across the wrap")
            var other = packet
            other[11 + 5] ^= 1
            #expect(pair.send(other) == nil)
            var otherHeader = packet
            otherHeader[1] ^= 0x80
            #expect(pair.send(otherHeader) == nil)
            #expect(pair.sender.reuses == 2)
            #expect(pair.send(rtp(number: 1023)) != nil)
            #expect(pair.send(packet) == nil, "behind the window")
        }
    }

    @Test func jumpsOfHalfTheNumbersAreRefusedByTheSender() throws {
        let pair = try Pair(.aeadAES128GCM)
        #expect(pair.send(rtp(number: 100)) != nil)
        #expect(pair.send(rtp(number: 100 + 32_768)) == nil)
        #expect(pair.send(rtp(number: 100 + 40_000)) == nil)
        #expect(pair.send(rtp(number: 65_535)) == nil, "before the first index")
        #expect(pair.send(rtp(number: 100 + 32_767)) != nil)
    }

    @Test func refusedPacketsAreEmptied() throws {
        let pair = try Pair(.aeadAES128GCM)
        let packet = rtp(number: 1)
        for room in [0, 15] {
            var batch = PacketBatch(byteCapacity: 100, packetCapacity: 1)
            var isProtected = true
            _ = batch.append(maximumSize: packet.count + room) { output in
                packet.withBytes { output.append(contentsOf: $0) }
                isProtected = pair.sender.protect(&output)
            }
            #expect(!isProtected && batch.byteCount == 0)
        }
        #expect(pair.send([0x80, 96]) == nil)
        #expect(pair.send([0x90] + rtp(number: 1).dropFirst()) == nil, "announces an extension it does not have")
        var report: [UInt8] = [0x80, 201, 0]
        #expect(!pair.controlSender.protect(&report) && report.isEmpty)
    }

    @Test func rolloverSurvivesLossAndReorderingAroundTheWrap() throws {
        let pair = try Pair(.aeadAES128GCM)
        for cycle in 0..<4 {
            let numbers: [UInt16] = [30_000, 60_000, 65_533, 2, 65_534, 0, 65_535, 9, 10_000]
            for number in numbers where !(cycle == 2 && number > 65_000) {
                let protected = try #require(pair.send(rtp(number: number)))
                #expect(pair.receive(protected).error == nil, "\(cycle) \(number)")
            }
        }
    }

    @Test func unencryptedControlPacketsAreRefused() throws {
        let pair = try Pair(.aeadAES128GCM)
        var packet = try #require(pair.sendControl([0x80, 201, 0, 1, 0, 0, 0, 9]))
        packet[packet.count - 4] &= 0x7F
        #expect(pair.receiveControl(packet).error == .notEncrypted)
        #expect(pair.receiveControl([0x80, 201, 0, 7] + [UInt8](repeating: 0, count: 28)).error == .notEncrypted)
    }

    @Test func controlSenderStopsAtTheEndOfItsIndices() throws {
        let pair = try Pair(.aeadAES128GCM)
        let sender = try SRTCPSender(
            profile: .aeadAES128GCM, key: pair.key, salt: pair.salt, lastIndex: (1 << 31) - 2)
        var last: [UInt8] = [0x80, 201, 0, 1, 0, 0, 0, 9]
        #expect(sender.protect(&last))
        #expect(pair.receiveControl(last).error == nil)
        var further: [UInt8] = [0x80, 201, 0, 1, 0, 0, 0, 9]
        #expect(!sender.protect(&further))
    }

    @Test func keysOfTheWrongLengthAreRefused() {
        for profile in SRTPProfile.allCases {
            #expect(throws: SecureError.keyLength) {
                try SRTPSender(
                    profile: profile, key: SecretBytes([1]),
                    salt: SecretBytes([UInt8](repeating: 0, count: profile.saltLength)))
            }
            #expect(throws: SecureError.keyLength) {
                try SRTCPReceiver(
                    profile: profile, key: SecretBytes([UInt8](repeating: 0, count: profile.keyLength)),
                    salt: SecretBytes([1]))
            }
        }
    }

    @Test(arguments: SRTPProfile.allCases)
    func onlyWhatIsAuthenticAndNewerThanAllOfAKnownSourceIsNewest(_ profile: SRTPProfile) throws {
        let pair = try Pair(profile)
        let report: [UInt8] = [0x80, 201, 0, 1, 0, 0, 0, 9]
        let packets = try (UInt16(65_533)...65_535).map { try #require(pair.send(rtp(number: $0))) }
        let wrapped = try #require(pair.send(rtp(number: 0)))
        let control = try (0..<4).map { _ in try #require(pair.sendControl(report)) }
        #expect(!pair.isNewest(packets[0]) && !pair.isNewestControl(control[0]))

        #expect(pair.receive(packets[1]).error == nil && pair.receiveControl(control[1]).error == nil)
        #expect(!pair.isNewest(packets[0]) && !pair.isNewestControl(control[0]))
        #expect(!pair.isNewest(packets[1]) && !pair.isNewestControl(control[1]))
        for _ in 0..<2 {
            #expect(pair.isNewest(packets[2]) && pair.isNewest(wrapped))
            #expect(pair.isNewestControl(control[2]) && pair.isNewestControl(control[3]))
        }
        for bit in 0..<packets[2].count * 8 {
            var damaged = packets[2]
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(!pair.isNewest(damaged), "bit \(bit)")
        }
        for bit in 0..<control[2].count * 8 {
            var damaged = control[2]
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(!pair.isNewestControl(damaged), "bit \(bit)")
        }
        for length in 0..<packets[2].count { #expect(!pair.isNewest(Array(packets[2][..<length]))) }
        for length in 0..<control[2].count { #expect(!pair.isNewestControl(Array(control[2][..<length]))) }
        // Nothing of that was counted or remembered.
        #expect(pair.receiver.statistics.authenticationFailures == 0)
        #expect(pair.receive(packets[0]).error == nil && pair.receive(packets[2]).error == nil)
        #expect(pair.receiveControl(control[0]).error == nil && pair.receiveControl(control[3]).error == nil)
        #expect(!pair.isNewest(packets[2]) && !pair.isNewestControl(control[2]))
    }

    private func rtp(number: UInt16, ssrc: UInt32 = 0xCAFE, payload: Int = 32) -> [UInt8] {
        var packet: [UInt8] = [0x80, 96]
        packet.append(bigEndian: number)
        packet.append(bigEndian: UInt32(number) &* 3000)
        packet.append(bigEndian: ssrc)
        packet += [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: payload)
        return packet
    }
}

/// Both ends of one direction under one key.
private final class Pair {
    let key: SecretBytes
    let salt: SecretBytes
    let sender: SRTPSender
    let receiver: SRTPReceiver
    let controlSender: SRTCPSender
    let controlReceiver: SRTCPReceiver

    struct Received {
        var packet: [UInt8]?
        var error: SRTPError?
    }

    init(_ profile: SRTPProfile, seed: UInt64 = 1) throws {
        var random = SplitMix64(seed: seed)
        key = SecretBytes(random.bytes(profile.keyLength))
        salt = SecretBytes(random.bytes(profile.saltLength))
        sender = try SRTPSender(profile: profile, key: key, salt: salt)
        receiver = try SRTPReceiver(profile: profile, key: key, salt: salt)
        controlSender = try SRTCPSender(profile: profile, key: key, salt: salt)
        controlReceiver = try SRTCPReceiver(profile: profile, key: key, salt: salt)
    }

    func send(_ packet: [UInt8]) -> [UInt8]? {
        var batch = PacketBatch(byteCapacity: packet.count + 16, packetCapacity: 1)
        var isProtected = false
        _ = batch.append(maximumSize: packet.count + 16) { output in
            packet.withBytes { output.append(contentsOf: $0) }
            isProtected = sender.protect(&output)
        }
        return isProtected ? batch.withPacket(at: 0) { $0.array } : nil
    }

    func sendControl(_ packet: [UInt8]) -> [UInt8]? {
        var packet = packet
        return controlSender.protect(&packet) ? packet : nil
    }

    func receive(_ packet: [UInt8]) -> Received {
        open(packet) { (span) throws(SRTPError) in try receiver.unprotect(&span) }
    }

    func receiveControl(_ packet: [UInt8]) -> Received {
        open(packet) { (span) throws(SRTPError) in try controlReceiver.unprotect(&span) }
    }

    func isNewest(_ packet: [UInt8]) -> Bool { packet.changed { receiver.isNewest(&$0) } }
    func isNewestControl(_ packet: [UInt8]) -> Bool { packet.changed { controlReceiver.isNewest(&$0) } }

    private func open(
        _ packet: [UInt8], _ unprotect: (inout MutableRawSpan) throws(SRTPError) -> Int
    ) -> Received {
        var packet = packet
        return unsafe packet.withUnsafeMutableBytes { bytes in
            var span = unsafe bytes.mutableBytes
            do throws(SRTPError) {
                let count = try unprotect(&span)
                return Received(packet: unsafe Array(bytes[..<count]))
            } catch {
                return Received(error: error)
            }
        }
    }
}

extension [UInt8] {
    /// Lends a copy of the bytes to be changed.
    fileprivate func changed(_ body: (inout MutableRawSpan) -> Bool) -> Bool {
        var copy = self
        return copy.withMutableBytes { body(&$0) }
    }
}
