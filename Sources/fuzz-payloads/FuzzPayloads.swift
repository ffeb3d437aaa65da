import Codecs
import FuzzKit
import RTP
import Wire

/// The formats of RTSP's media, in the order in which the first byte of an input chooses them.
private let formats: [(codec: Codec, name: String, parameters: [String: String])] = [
    (.h264, "H264", [:]), (.h265, "H265", [:]), (.h265, "H265", ["sprop-max-don-diff": "2"]), (.vp8, "VP8", [:]),
    (.vp9, "VP9", [:]), (.av1, "AV1", [:]),
    (
        .otherAudio, "MPEG4-GENERIC",
        ["sizelength": "13", "indexlength": "3", "indexdeltalength": "3", "config": "1190"]
    ),
    (.otherAudio, "MPEG4-GENERIC", ["sizelength": "6", "indexlength": "2", "indexdeltalength": "2"]),
    (.otherAudio, "MP4A-LATM", ["cpresent": "0", "config": "400023103fc0"]), (.otherAudio, "MP4A-LATM", [:]),
    (.opus, "opus", [:]), (.otherAudio, "L16", [:]), (.otherAudio, "MPA", [:]), (.otherAudio, "AC3", [:]),
    (.otherAudio, "EAC3", [:]), (.otherVideo, "JPEG", [:]), (.otherVideo, "MP4V-ES", [:]), (.otherVideo, "MPV", [:]),
]

/// Reads packets: flags, length, payload. Puts them together as they are, and again after they were cut and their markers
/// repaired.
private func tryInput(_ input: RawSpan) {
    guard let choice = input.integer(at: 0, as: UInt8.self) else { return }
    let format = formats[Int(choice) % formats.count]
    let description = PayloadDescription(
        codec: format.codec, encodingName: format.name, clockRate: 90_000, channels: 2
    ) { format.parameters[$0] }
    var assembler = FrameAssembler(description)
    var splitter = OversizedPacketSplitter(description, maximumSize: 200)
    var cutAssembler = FrameAssembler(description)
    var markers = MarkerRepair()
    var headers = ADTSRemoval(description)
    var packetizer = FramePacketizer(description, limit: 100)
    var scratch: [UInt8] = []
    var sets = ParameterSets(codec: format.codec, announced: [])
    let filler = FillerRemoval(format.codec)
    var (number, timestamp): (UInt16, UInt32) = (65_530, 0)
    var newest: UInt16?
    var latest: Int64?
    var offset = 1
    while let flags = input.integer(at: offset, as: UInt8.self),
        let size = input.integer(at: offset + 1, as: UInt16.self)
    {
        let end = min(input.byteCount, offset + 3 + Int(size % 600))
        let payload = input.extracting(offset + 3..<end)
        offset = end
        // The next packet, one after a gap, or one that comes late.
        number &+= flags & 0x10 != 0 ? 3 : flags & 0x20 != 0 ? UInt16.max : 1
        if flags & 0x01 != 0 { timestamp &+= 3_000 }
        let now = Instant.milliseconds(UInt64(offset))
        var packet: [UInt8] = [0x80, 96 | (flags & 0x02 != 0 ? 0x80 : 0)]
        packet.append(bigEndian: number)
        packet.append(bigEndian: timestamp)
        packet.append(bigEndian: UInt32(flags & 0x40))
        packet.append(contentsOf: payload)
        packet.withBytes { bytes in
            guard let header = try? RTPHeader(parsing: bytes) else { return }
            assembler.receive(bytes, header: header, at: now) { frame in
                check(frame)
                packetizer?.packetize(frame.unit, scratch: &scratch) { payload, _ in
                    precondition(!payload.isEmpty && (payload.byteCount <= 100 || format.codec == .opus))
                }
                // PAY-61: decoding times grow, but for where the times begin anew.
                if let decoding = frame.decodingTime {
                    precondition(decoding <= frame.presentationTime)
                    if !frame.startsEpoch, let latest { precondition(decoding > latest, "decoding times go back") }
                    latest = decoding
                }
            }
            headers?.receive(bytes, header: header) { piece, pieceHeader in
                precondition(pieceHeader.payload.upperBound <= piece.byteCount)
            }
            splitter.receive(bytes, header: header) { piece, pieceHeader in
                precondition(pieceHeader.payload.upperBound <= piece.byteCount)
                if flags & 0x60 == 0, let last = newest {
                    precondition(Int16(bitPattern: pieceHeader.sequenceNumber &- last) > -200, "numbers go back")
                }
                newest = pieceHeader.sequenceNumber
                markers.receive(piece, header: pieceHeader) { bytes, header in
                    cutAssembler.receive(bytes, header: header, at: now) { check($0) }
                }
            }
        }
        sets.note(payload)
        precondition(sets.payload?.count ?? 0 <= ParameterSets.maximumPayloadSize + 1)
        if let filler, filler.applies(to: payload) {
            var batch = PacketBatch(byteCapacity: payload.byteCount, packetCapacity: 1)
            precondition(batch.append(maximumSize: payload.byteCount) { filler.append(payload, to: &$0) })
        }
    }
}

private func check(_ frame: FrameAssembler.Frame) {
    precondition(!frame.unit.parts.isEmpty)
    var end = 0
    for part in frame.unit.parts {
        precondition(part.lowerBound >= end && part.upperBound <= frame.unit.bytes.count && !part.isEmpty)
        end = part.upperBound
    }
}

@main struct FuzzPayloads {
    static func main() { fuzz(tryInput) }
}
