import Codecs
import FuzzKit
import RTP
import Wire

/// Reads the input as what describes a stream: SPS, PPS and VPS of H.264 and H.265, OBUs and sequence header of AV1, frame
/// headers, configurations of AAC, as the parameter sets of a description, and as the units whose pictures are ordered.
private func tryInput(_ input: RawSpan) {
    guard let choice = input.integer(at: 0, as: UInt8.self) else { return }
    let bytes = input.extracting(1..<input.byteCount)
    switch choice % 9 {
    case 0:
        if let sps = H264SequenceParameterSet(parsing: bytes) { check(sps.resolution) }
        _ = ParameterSetIdentifier.h264(bytes)
        _ = RecoveryPoint.isIn(bytes, headerSize: 1)
    case 1:
        if let sps = H265SequenceParameterSet(parsing: bytes) { check(sps.resolution) }
        _ = ParameterSetIdentifier.h265(bytes)
        _ = RecoveryPoint.isIn(bytes, headerSize: 2)
    case 2:
        var offset = 0
        while let unit = AV1OBU(parsing: bytes, at: offset) {
            precondition(unit.unit.lowerBound == offset && unit.unit.upperBound > offset)
            precondition(unit.payload.upperBound <= unit.unit.upperBound)
            let payload = bytes.extracting(unit.payload)
            if let header = AV1SequenceHeader(parsing: payload) { check(header.resolution) }
            _ = AV1FrameHeader.isKeyframe(bytes.extracting(unit.unit), unit.header)
            offset = unit.unit.upperBound
        }
    case 3:
        if let header = VP8FrameHeader(parsing: bytes), let size = header.resolution { check(size) }
        if let header = VP9FrameHeader(parsing: bytes), let size = header.resolution { check(size) }
        _ = OpusPacket(parsing: bytes)
    case 4:
        if let configuration = try? AudioSpecificConfig(parsing: bytes) {
            precondition(configuration.bitCount <= bytes.byteCount * 8 && configuration.sampleRate > 0)
        }
        if let header = ADTSHeader(parsing: bytes) { precondition(header.size <= header.frameSize) }
    case 5:
        if let configuration = try? StreamMuxConfig(parsing: bytes) {
            precondition((1...64).contains(configuration.frameCount))
        }
        var reader = LATMReader(configuration: nil, isInBand: true)
        for frame in (try? reader.frames(in: bytes)) ?? [] { precondition(frame.count <= bytes.byteCount) }
    case 6:
        if let header = MPEGAudioHeader(parsing: bytes) { precondition(header.frameSize > 0 && header.sampleRate > 0) }
        if let header = AC3Header(parsing: bytes) { precondition(header.frameSize > 0 && header.samplesPerFrame > 0) }
    case 8:
        var readers: [any PictureOrderReader] = [H264PictureOrderReader(), H265PictureOrderReader()]
        // Lengths and units.
        var offset = 0
        while let size = bytes.integer(at: offset, as: UInt8.self) {
            let end = min(bytes.byteCount, offset + 1 + Int(size & 0x7F))
            for index in readers.indices {
                readers[index].take(bytes.extracting(offset + 1..<end))
                if size & 0x80 != 0 { _ = readers[index].endOfUnit() }
                precondition((0...16).contains(readers[index].reorderDepth ?? 0))
                precondition(readers[index].frameDuration?.ticks(clockRate: 90_000) ?? 1 > 0)
            }
            offset = end
        }
    default:
        let codec: Codec = choice & 16 == 0 ? .h264 : .h265
        let text = String(decoding: bytes.array, as: UTF8.self)
        let units = ParameterSets.announced(codec) { _ in text }
        let sets = ParameterSets(codec: codec, announced: units + [bytes.array])
        precondition(sets.payload?.count ?? 0 <= ParameterSets.maximumPayloadSize)
    }
}

private func check(_ size: VideoResolution) { precondition(size.width > 0 && size.height > 0) }

@main struct FuzzParameters {
    static func main() { fuzz(tryInput) }
}
