import FuzzKit
import RTP
import TestKit
import Wire

/// Takes the input as what happens between a viewer that lies and the server: time, pictures, and feedback, byte for byte or
/// put right so that it speaks of packets that were sent.
func play(_ input: RawSpan) {
    guard let stage = Stage() else { return }
    stage.picture(key: true, packets: 8, size: 900)
    var position = 0
    var steps = 0
    while let action = input.integer(at: position, as: UInt8.self),
        let value = input.integer(at: position + 1, as: UInt8.self), steps < 400
    {
        position += 2
        steps += 1
        switch action & 7 {
        case 0, 1: stage.advance(UInt64(value))
        case 2: stage.advance(UInt64(value) * 40)
        case 3, 4:
            stage.picture(key: action & 8 != 0, packets: Int(value & 15) + 1, size: Int(value) * 4)
            stage.advance(30)
        default:
            let end = min(position + Int(value), input.byteCount)
            var compound = input.extracting(position..<end).array
            position = end
            if action & 8 != 0 { name(&compound, near: stage.link, back: UInt16(action >> 4)) }
            compound.withBytes { stage.feedback($0) }
        }
        stage.check()
    }
}

/// Makes a packet of feedback speak of what was sent lately.
private func name(_ compound: inout [UInt8], near link: Link, back: UInt16) {
    guard compound.count >= 16 else { return }
    compound[0] = 0x80 | compound[0] & 0x1F
    let number: UInt16
    switch (compound[0] & 0x1F, compound[1]) {
    case (1, 205): number = link.newestMedia &- back
    case (15, 205): number = link.newest &- back &* 16
    default: return
    }
    compound[2] = 0
    compound[3] = UInt8(compound.count / 4 - 1)
    compound[12] = UInt8(number >> 8)
    compound[13] = UInt8(number & 0xFF)
}

@main struct FuzzCongestion {
    static func main() { fuzz(play) }
}
