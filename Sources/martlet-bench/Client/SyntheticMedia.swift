import RTP
import Wire

/// The payloads of the benchmark's stream: shaped like H264 and Opus, filled so that each packet can be checked.
enum SyntheticMedia {
    /// RTP packets of this size are what browsers send.
    static let packetSize = 1_200
    static let framesPerSecond: UInt64 = 30
    static let audioPacketsPerSecond: UInt64 = 50
    static let packetsPerFrame = 9
    static let packetsPerKeyframe = 45
    static let framesBetweenKeyframes = 60
    static let audioPayloadSize = 120
    /// The last packet of a frame is shorter.
    static let lastPayloadSize = 400

    private static let fragmentationUnit: UInt8 = 28
    /// The set bit says that a fragment begins with the first macroblock of a picture.
    private static let sliceStart: UInt8 = 0x80
    private static let counterOffset = 3
    private static let fillerStart = 7

    // 1280 by 720, constrained baseline.
    private static let sequenceParameterSet: [UInt8] = [
        0x67, 0x42, 0xC0, 0x1F, 0x95, 0xA0, 0x14, 0x01, 0x6E, 0x40,
    ]
    private static let pictureParameterSet: [UInt8] = [0x68, 0xCE, 0x3C, 0x80]

    /// An aggregation packet with both parameter sets.
    static func appendParameterSets(to output: inout OutputRawSpan) {
        output.append(0x78)
        for set in [sequenceParameterSet, pictureParameterSet] {
            output.append(bigEndian: UInt16(set.count))
            for byte in set { output.append(byte) }
        }
    }

    /// One fragment of a slice, numbered `counter`.
    static func appendFragment(
        counter: UInt32, size: Int, isKeyframe: Bool, isFirst: Bool, isLast: Bool, to output: inout OutputRawSpan
    ) {
        output.append(0x60 | fragmentationUnit)
        output.append((isFirst ? 0x80 : 0) | (isLast ? 0x40 : 0) | (isKeyframe ? 5 : 1))
        output.append(sliceStart)
        output.append(bigEndian: counter)
        appendFiller(counter, from: fillerStart, to: size, &output)
    }

    static func appendAudio(counter: UInt32, to output: inout OutputRawSpan) {
        output.append(0x78)
        output.append(0)
        output.append(0)
        output.append(bigEndian: counter)
        appendFiller(counter, from: fillerStart, to: audioPayloadSize, &output)
    }

    private static func appendFiller(_ counter: UInt32, from start: Int, to end: Int, _ output: inout OutputRawSpan) {
        for offset in start..<max(start, end) { output.append(filler(counter, offset)) }
    }

    private static func filler(_ counter: UInt32, _ offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: counter &+ UInt32(truncatingIfNeeded: offset))
    }

    /// Whether `payload` is one that this type wrote.
    static func isIntact(_ payload: RawSpan, isVideo: Bool) -> Bool {
        guard payload.byteCount >= fillerStart, let counter = payload.integer(at: counterOffset, as: UInt32.self) else {
            return false
        }
        if isVideo, payload[0] & 0x1F != fragmentationUnit { return payload[0] == 0x78 }
        for offset in fillerStart..<payload.byteCount where payload[offset] != filler(counter, offset) { return false }
        return true
    }
}
