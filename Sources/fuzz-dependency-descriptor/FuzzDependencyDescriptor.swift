import FuzzKit
import RTP
import Wire

/// Takes the input as the descriptors of one stream, each after its size, and holds the reader to its promises.
private func read(_ input: RawSpan) {
    var reader = DependencyDescriptorReader()
    var position = 0
    while position < input.byteCount {
        let size = min(Int(input[position]), input.byteCount - position - 1)
        let value = input.extracting(position + 1..<position + 1 + size)
        position += 1 + size
        let before = reader
        switch reader.read(value) {
        case .malformed:
            precondition(reader.malformed == before.malformed + 1)
            precondition(reader.structure == before.structure)
        case .unknownStructure:
            precondition(reader.withoutStructure == before.withoutStructure + 1)
        case .frame(let frame):
            guard let structure = reader.structure else { preconditionFailure("a frame has a structure") }
            precondition(frame.spatialLayer < 4 && frame.temporalLayer < 8)
            precondition((1...DependencyStructure.maximumTemplates).contains(structure.templates.count))
            precondition((1...DependencyStructure.maximumDecodeTargets).contains(structure.decodeTargetCount))
            precondition(structure.chainCount <= structure.decodeTargetCount)
            for spatial in 0..<8 as Range<UInt8> {
                for temporal in 0..<8 as Range<UInt8> { _ = frame.indication(spatial: spatial, temporal: temporal) }
            }
        }
    }
}

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
func tryInput(_ input: RawSpan) {
    read(input)
}

@main struct FuzzDependencyDescriptor {
    static func main() { fuzz(tryInput) }
}
