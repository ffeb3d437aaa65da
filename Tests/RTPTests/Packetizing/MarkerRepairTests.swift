import RTP
import TestKit
import Testing
import Wire

/// PAY-5: FLIR cameras set no markers.
@Suite struct MarkerRepairTests {
    /// Gives out number and marker of what goes on, for each packet that comes in.
    private func run(_ repair: inout MarkerRepair, _ packets: [(number: UInt16, picture: UInt32, marker: Bool)])
        -> [[String]]
    {
        packets.map { packet in
            let bytes = written { output in
                RTPHeader.append(
                    payloadType: 96, marker: packet.marker, sequenceNumber: packet.number, timestamp: packet.picture,
                    ssrc: 1, hasExtension: false, to: &output)
                output.append(bigEndian: packet.number)
            }
            return bytes.withBytes { bytes in
                guard let header = try? RTPHeader(parsing: bytes) else { return [] }
                var out: [String] = []
                repair.receive(bytes, header: header) { bytes, header in
                    #expect(bytes.integer(at: 12) == header.sequenceNumber)
                    out.append("\(header.sequenceNumber)\(header.marker ? "M" : "")")
                }
                return out
            }
        }
    }

    /// Two packets to a picture.
    private func numbered(
        _ count: Int, _ marker: (Int) -> Bool
    ) -> [(number: UInt16, picture: UInt32, marker: Bool)] {
        (0..<count).map { index in (UInt16(index), UInt32(index / 2), marker(index)) }
    }

    @Test func streamsWithMarkersPass() {
        var repair = MarkerRepair()
        let packets = numbered(40) { $0 % 2 == 1 }
        #expect(run(&repair, packets).allSatisfy { $0.count == 1 })
        #expect(repair.repairs == 0)
    }

    @Test func lastPacketsOfPicturesGetMarkers() {
        var repair = MarkerRepair()
        let packets = numbered(12) { _ in false }
        let out = run(&repair, packets)
        // Four pictures make sure; from then on a packet waits for the next.
        #expect(out[..<8].map { $0.count } == Array(repeating: 1, count: 8))
        #expect(Array(out[8...]) == [[], ["8"], ["9M"], ["10"]])
        // Once markers come, nothing waits any more.
        #expect(run(&repair, [(12, 6, true), (13, 7, false)]) == [["11M", "12M"], ["13"]])
    }

    @Test func aLostMarkerIsNoReason() {
        var repair = MarkerRepair()
        let packets = numbered(40) { $0 % 8 == 7 }
        #expect(run(&repair, packets).allSatisfy { $0.count == 1 })
    }
}
