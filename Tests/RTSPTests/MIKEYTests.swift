import RTSP
import TestKit
import Testing

/// RTSP-24: the keys of SRTP, as clients send and expect them.
@Suite struct MIKEYTests {
    private static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map { index in
            UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) ?? 0
        }
    }

    private static let key = Array(UInt8(0)..<16)
    private static let salt = Array(UInt8(16)..<30)

    /// Made by GStreamer 1.22 for the key 00 01 … 1D and the stream 12345678.
    private static let golden =
        "01000500b7d7442e01000012345678000000000b00eeac5ac8205868760a10c3b2e2953746784f8b77af4724a7b93b0100000015"
        + "00010101011002010103010a0701010801010a0101000000220020001e"
        + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d00"

    @Test func whatGStreamerSendsIsRead() throws {
        let message = try MIKEYMessage(parsing: Self.bytes(Self.golden))
        #expect(message.keys == RTSPMediaKeys(key: Self.key, salt: Self.salt))
        #expect(message.bundle == 0xB7D7_442E)
        #expect(message.ssrcs == [0x1234_5678])
        let base64 =
            "AQAFALfXRC4BAAASNFZ4AAAAAAsA7qxayCBYaHYKEMOy4pU3RnhPi3evRySnuTsBAAAAFQABAQEBEAIBAQMBCgcBAQgBAQo"
            + "BAQAAACIAIAAeAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdAA=="
        #expect(RTSPKeyManagement.keys(inAttribute: "mikey \(base64)") == message.keys)
        #expect(
            RTSPKeyManagement.keys(inField: #"prot=x;data="AA",prot=mikey; uri="rtsp://h/a;b"; data="\#(base64)""#)
                == message.keys)
        #expect(RTSPKeyManagement.keys(inField: "prot=mikey") == nil)
        #expect(RTSPKeyManagement.keys(inAttribute: base64) == nil)
    }

    @Test func whatIsWrittenIsWhatGStreamerWrites() throws {
        let keys = try #require(RTSPMediaKeys(key: Self.key, salt: Self.salt))
        let message = MIKEYMessage(keys: keys, bundle: 0xB7D7_442E, ssrcs: [0x1234_5678])
        let random = Self.bytes("c3b2e2953746784f8b77af4724a7b93b")
        #expect(message.serialized(ntp: 0xEEAC_5AC8_2058_6876, random: random) == Self.bytes(Self.golden))
    }

    /// Cameras of Axis put an identifier of four bytes in front of each tag.
    @Test func keysWithIdentifiersAreReadAndWritten() throws {
        let keys = try #require(RTSPMediaKeys(key: Self.key, salt: Self.salt, identifier: [1, 2, 3, 4]))
        let message = MIKEYMessage(keys: keys, bundle: 1, ssrcs: [5, 6])
        let bytes = message.serialized(ntp: 0, random: [UInt8](repeating: 7, count: 16))
        #expect(try MIKEYMessage(parsing: bytes) == message)
        #expect("\(keys)" == "media keys")
        #expect(RTSPMediaKeys(key: [1], salt: Self.salt) == nil)
    }

    /// The salt may stand beside the key (type 3).
    @Test func saltsMayStandBesideTheKey() throws {
        let data = [0, 0x30, 0, 16] + Self.key + [0, 14] + Self.salt
        let bytes: [UInt8] = [1, 0, 1, 0, 0, 0, 0, 9, 0, 0] + [0, 0, 0, UInt8(data.count)] + data + [0]
        #expect(try MIKEYMessage(parsing: bytes).keys == RTSPMediaKeys(key: Self.key, salt: Self.salt))
    }

    @Test func everyTruncationIsRefused() {
        let whole = Self.bytes(Self.golden)
        for length in whole.indices {
            #expect(throws: MIKEYError.self) { try MIKEYMessage(parsing: Array(whole[..<length])) }
        }
    }

    /// Ciphers, tags and keys that are not spoken.
    @Test(arguments: [
        ("010110", "010120"), ("030116", "030114"), ("000101", "000106"), ("03010a", "030104"), ("080101", "080100"),
        ("0020001e", "0000001e"), ("000000220020", "000100220020"),
    ])
    func whatIsNotSpokenIsRefused(_ from: String, _ to: String) {
        let changed = Self.golden.replacing(from, with: to)
        guard changed != Self.golden else { return }
        #expect(throws: MIKEYError.self) { try MIKEYMessage(parsing: Self.bytes(changed)) }
    }

    @Test func hostileMessagesNeverTrap() {
        var random = SplitMix64(seed: 5)
        let whole = Self.bytes(Self.golden)
        for _ in 0..<20_000 {
            var bytes = whole
            for _ in 0..<2 {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            _ = try? MIKEYMessage(parsing: Array(bytes.prefix(Int(random.next() % UInt64(bytes.count + 1)))))
        }
    }

    // MARK: the machine

    private static let field = "KeyMgmt: " + RTSPKeyManagement.field(bytes(golden), url: "rtsps://h/cam1")

    private static func secure(_ change: (inout RTSPServerMachine.Configuration) -> Void = { _ in }) -> MachineDriver {
        MachineDriver { configuration in
            configuration.keyMessage = { ssrcs in [1, 2, 3] + ssrcs.map { UInt8(truncatingIfNeeded: $0) } }
            change(&configuration)
        }
    }

    /// T9, RTSP-24
    @Test func t9SecureProfilesNeedKeysAndASecretConnection() {
        let url = "SETUP rtsps://h/cam1/trackID=0"
        let udp = "Transport: RTP/SAVP;unicast;client_port=1000-1001"
        let driver = Self.secure()
        #expect(driver.ask(url, udp) == 461)
        #expect(driver.ask(url, udp, "KeyMgmt: prot=mikey;data=\"AAAA\"") == 461)
        #expect(driver.ask(url, udp, Self.field) == 200)
        #expect(driver.field("Transport")?.hasPrefix("RTP/SAVP;unicast;client_port=1000-1001;server_port=") == true)
        #expect(driver.field("KeyMgmt") == #"prot=mikey;uri="rtsps://h/cam1/trackID=0";data="AQIDAQ==""#)
        #expect(driver.session?.media.first?.keys?.key == Self.key)
        // In the clear, the keys would be everybody's.
        #expect(MachineDriver().ask(url, udp, Self.field) == 461)
    }

    @Test func nothingTravelsInTheClearBesideASecretConnection() {
        let url = "SETUP rtsps://h/cam1/trackID=0"
        let udp = "RTP/AVP;unicast;client_port=1000-1001"
        #expect(Self.secure().ask(url, "Transport: \(udp)", Self.field) == 461)
        let driver = Self.secure()
        #expect(driver.ask(url, "Transport: \(udp),RTP/AVP/TCP;interleaved=0-1") == 200)
        #expect(driver.field("KeyMgmt") == nil)
        let inside = Self.secure()
        #expect(inside.ask(url, "Transport: RTP/SAVPF/TCP;interleaved=0-1", Self.field) == 200)
        #expect(inside.field("Transport")?.hasPrefix("RTP/SAVPF/TCP;") == true)
    }
}
