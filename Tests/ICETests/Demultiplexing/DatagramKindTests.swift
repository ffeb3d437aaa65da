import ICE
import Testing
import Wire

@Suite struct DatagramKindTests {
    @Test func everyFirstByteIsClassified() {
        for first in UInt8.min...UInt8.max {
            let expected: DatagramKind =
                switch first {
                case 0...3: .stun
                case 16...19: .zrtp
                case 20...63: .dtls
                case 64...79: .turnChannel
                case 128...191: .rtp
                default: .unknown
                }
            #expect(DatagramKind(firstByte: first, secondByte: 0) == expected)
            #expect([first].withBytes { DatagramKind($0) } == expected)
        }
    }

    @Test func packetTypesFrom192To223AreRTCP() {
        for second in UInt8.min...UInt8.max {
            let expected: DatagramKind = (192...223).contains(second) ? .rtcp : .rtp
            #expect(DatagramKind(firstByte: 0x80, secondByte: second) == expected)
            #expect([0xBF, second].withBytes { DatagramKind($0) } == expected)
        }
    }

    @Test func anEmptyDatagramIsUnknown() {
        #expect([UInt8]().withBytes { DatagramKind($0) } == .unknown)
    }
}
