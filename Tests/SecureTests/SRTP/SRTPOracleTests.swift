import Glibc
import TestKit
import Testing
import Wire

@testable import Secure

/// Every packet is compared with libsrtp2, which shares no code and no cryptographic library with ours.
@Suite struct SRTPOracleTests {
    static let packets = 100_000
    static let capacity = 1500

    @Test(arguments: SRTPProfile.preferred)
    func oneHundredThousandRTPPacketsEqualLibSRTPBitForBit(_ profile: SRTPProfile) throws {
        var random = SplitMix64(seed: UInt64(profile.rawValue))
        let key = random.bytes(profile.keyLength)
        let salt = random.bytes(profile.saltLength)
        let sender = try SRTPSender(profile: profile, key: SecretBytes(key), salt: SecretBytes(salt))
        let receiver = try SRTPReceiver(profile: profile, key: SecretBytes(key), salt: SecretBytes(salt))
        let theirSender = try #require(LibSRTP(profile, key: key, salt: salt, outbound: true))
        let theirReceiver = try #require(LibSRTP(profile, key: key, salt: salt, outbound: false))

        let plain = UnsafeMutableRawPointer.allocate(byteCount: Self.capacity, alignment: 16)
        let ours = UnsafeMutableRawPointer.allocate(byteCount: Self.capacity, alignment: 16)
        let theirs = UnsafeMutableRawPointer.allocate(byteCount: Self.capacity, alignment: 16)
        defer {
            unsafe plain.deallocate()
            unsafe ours.deallocate()
            unsafe theirs.deallocate()
        }
        var sent = [[Int]](repeating: [Int](repeating: 0, count: 64), count: 3)
        var front: [Int] = [0x7F00, 0x100, 0x4000]
        var different = 0
        var opened = 0
        for _ in 0..<Self.packets {
            let bits = random.next()
            // Steps of up to 15 numbers stand for loss, so each of the three SSRCs wraps several times. One packet in
            // eight is late by up to 31 numbers, unless that number was sent.
            let stream = Int(bits % 3)
            var number = front[stream] - Int(bits >> 16 & 31)
            if bits >> 8 & 7 != 0 || sent[stream][number % 64] == number {
                number = front[stream] + 1 + Int(bits >> 12 & 15)
            }
            front[stream] = max(front[stream], number)
            sent[stream][number % 64] = number
            let count = unsafe fill(
                plain, ssrc: 0x1234_0000 + UInt32(stream), number: UInt16(truncatingIfNeeded: number), &random)

            unsafe memcpy(ours, plain, count)
            unsafe memcpy(theirs, plain, count)
            let slot = unsafe UnsafeMutableRawBufferPointer(start: ours, count: Self.capacity)
            var output = unsafe OutputRawSpan(buffer: slot, initializedCount: count)
            let isProtected = sender.protect(&output)
            _ = unsafe output.finalize(for: slot)
            guard isProtected, let theirCount = unsafe theirSender.protect(theirs, count),
                theirCount == count + profile.tagLength,
                unsafe memcmp(ours, theirs, theirCount) == 0
            else {
                different += 1
                continue
            }

            // The network loses one packet in 16, and delivers one in 16 twice.
            if bits >> 24 & 15 == 0 { continue }
            for _ in 0..<(bits >> 28 & 15 == 0 ? 2 : 1) {
                unsafe memcpy(theirs, ours, theirCount)
                let theirPlain = unsafe theirReceiver.unprotect(theirs, theirCount)
                let protected = unsafe UnsafeMutableRawBufferPointer(start: ours, count: theirCount)
                var span = unsafe protected.mutableBytes
                let ourPlain = try? receiver.unprotect(&span)
                if ourPlain != theirPlain { different += 1 }
                if let ourPlain {
                    opened += 1
                    if unsafe ourPlain != count || memcmp(ours, plain, count) != 0 { different += 1 }
                    // Back to what the network carried, for the second delivery.
                    var again = unsafe OutputRawSpan(buffer: slot, initializedCount: count)
                    if !sender.protect(&again) { different += 1 }
                    _ = unsafe again.finalize(for: slot)
                }
            }
        }
        #expect(different == 0)
        #expect(opened > Self.packets / 2)
        #expect(front.allSatisfy { $0 > 3 * 65_536 }, "each stream wraps")
        #expect(receiver.statistics.replayed > 0)
        #expect(receiver.statistics.authenticationFailures == 0)
    }

    @Test(arguments: SRTPProfile.preferred)
    func oneHundredThousandRTCPPacketsEqualLibSRTPBitForBit(_ profile: SRTPProfile) throws {
        var random = SplitMix64(seed: UInt64(profile.rawValue) + 100)
        let key = random.bytes(profile.keyLength)
        let salt = random.bytes(profile.saltLength)
        let sender = try SRTCPSender(profile: profile, key: SecretBytes(key), salt: SecretBytes(salt))
        let receiver = try SRTCPReceiver(profile: profile, key: SecretBytes(key), salt: SecretBytes(salt))
        let theirSender = try #require(LibSRTP(profile, key: key, salt: salt, outbound: true))
        let theirReceiver = try #require(LibSRTP(profile, key: key, salt: salt, outbound: false))

        let theirs = UnsafeMutableRawPointer.allocate(byteCount: Self.capacity, alignment: 16)
        defer { unsafe theirs.deallocate() }
        var ours: [UInt8] = []
        var late: [[UInt8]] = []
        var different = 0
        for _ in 0..<Self.packets {
            let bits = random.next()
            ours.removeAll(keepingCapacity: true)
            ours.append(bigEndian: 0x81C8_0006_0BAD_F00D as UInt64)
            for _ in 0..<Int(bits & 31) { ours.append(bigEndian: random.next()) }
            for _ in 0..<Int(bits >> 5 & 1) { ours.append(bigEndian: UInt32(truncatingIfNeeded: bits)) }
            let plain = ours
            unsafe copy(ours, to: theirs)
            let theirCount = unsafe theirSender.protectControl(theirs, plain.count)
            let isProtected = sender.protect(&ours)
            if unsafe !isProtected || ours.count != theirCount || !equal(ours, theirs, ours.count) { different += 1 }

            // One packet in 16 is lost, one in 16 arrives twice, and one in 16 up to 150 packets late.
            var arriving: [[UInt8]] = []
            switch bits >> 8 & 15 {
            case 0: break
            case 1: arriving = [ours, ours]
            case 2: late.append(ours)
            default: arriving = [ours]
            }
            if late.count > 9 { arriving.append(late.removeFirst()) }
            for packet in arriving {
                unsafe copy(packet, to: theirs)
                let theirPlain = unsafe theirReceiver.unprotectControl(theirs, packet.count)
                var opened = packet
                let ourPlain = unsafe opened.withUnsafeMutableBytes { bytes in
                    var span = unsafe bytes.mutableBytes
                    return try? receiver.unprotect(&span)
                }
                if ourPlain != theirPlain { different += 1 }
                if let ourPlain, unsafe !equal(opened, theirs, ourPlain) { different += 1 }
            }
        }
        #expect(different == 0)
        #expect(receiver.statistics.accepted > UInt64(Self.packets) / 2)
        #expect(receiver.statistics.replayed > 0)
    }

    @unsafe
    private func copy(_ bytes: [UInt8], to memory: UnsafeMutableRawPointer) {
        unsafe bytes.withUnsafeBytes {
            unsafe UnsafeMutableRawBufferPointer(start: memory, count: $0.count).copyMemory(from: $0)
        }
    }

    @unsafe
    private func equal(_ bytes: [UInt8], _ memory: UnsafeMutableRawPointer, _ count: Int) -> Bool {
        unsafe bytes.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return count == 0 }
            return unsafe memcmp(base, memory, count) == 0
        }
    }

    /// Writes an RTP packet of random shape: contributing sources, extension, payload. Returns its size.
    @unsafe
    private func fill(
        _ buffer: UnsafeMutableRawPointer, ssrc: UInt32, number: UInt16, _ random: inout SplitMix64
    ) -> Int {
        let bits = random.next()
        let sources = bits & 7 == 0 ? Int(bits >> 3 & 3) : 0
        let extensionWords = bits >> 5 & 3 == 0 ? nil : Int(bits >> 7 & 7)
        let payload = bits >> 10 & 63 == 0 ? 1200 : Int(bits >> 16 & 255)
        unsafe buffer.storeBytes(
            of: (UInt8(0x80) | UInt8(sources) | (extensionWords == nil ? 0 : 0x10)), toByteOffset: 0, as: UInt8.self)
        unsafe buffer.storeBytes(of: UInt8(truncatingIfNeeded: bits >> 24), toByteOffset: 1, as: UInt8.self)
        unsafe buffer.storeBytes(of: number.bigEndian, toByteOffset: 2, as: UInt16.self)
        unsafe buffer.storeBytes(of: UInt32(truncatingIfNeeded: bits >> 32), toByteOffset: 4, as: UInt32.self)
        unsafe buffer.storeBytes(of: ssrc.bigEndian, toByteOffset: 8, as: UInt32.self)
        var count = 12 + 4 * sources
        if let extensionWords {
            unsafe buffer.storeBytes(of: UInt16(0xBEDE).bigEndian, toByteOffset: count, as: UInt16.self)
            unsafe buffer.storeBytes(of: UInt16(extensionWords).bigEndian, toByteOffset: count + 2, as: UInt16.self)
            count += 4 + 4 * extensionWords
        }
        let end = count + payload
        while count < end {
            unsafe buffer.storeBytes(of: random.next(), toByteOffset: count, as: UInt64.self)
            count += 8
        }
        return end
    }
}
