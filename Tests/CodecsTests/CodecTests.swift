import Codecs
import Testing

@Suite struct CodecTests {
    @Test(arguments: Codec.allCases)
    func encodingNamesAreFoundInAnyCase(_ codec: Codec) {
        #expect(Codec(encodingName: codec.rawValue.uppercased()) == codec)
        #expect(Codec(encodingName: codec.rawValue.lowercased()) == codec)
        #expect(Codec(encodingName: codec.rawValue + "0") == nil)
    }

    @Test func nalUnitTypesAreToldApart() {
        #expect(H264NALUnitType(header: 0x65) == .idrSlice)
        #expect(H264NALUnitType(header: 0x67) == .sequenceParameterSet)
        #expect((1...5).allSatisfy { H264NALUnitType(rawValue: $0).isSlice })
        #expect((6...31).allSatisfy { !H264NALUnitType(rawValue: $0).isSlice })
        #expect(H265NALUnitType(header: 0x26).isRandomAccess)
        #expect(H265NALUnitType(header: 0x42) == .sequenceParameterSet)
        #expect((16...23).allSatisfy { H265NALUnitType(rawValue: $0).isRandomAccess })
        #expect((0...15).allSatisfy { !H265NALUnitType(rawValue: $0).isRandomAccess })
    }
}
