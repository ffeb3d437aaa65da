import FuzzKit
import Server
import Wire

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
func tryInput(_ input: RawSpan) {
    let bytes = input.array
    if let sections = try? RTSPDescriptionReader.read(bytes) {
        precondition(sections.allSatisfy { $0.clockRate > 0 && $0.payloadType < 128 })
    }
}

fuzz(tryInput)
