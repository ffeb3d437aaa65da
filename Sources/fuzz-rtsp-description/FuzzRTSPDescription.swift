import FuzzKit
import Server
import Wire

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
func tryInput(_ input: RawSpan) {
    if let sections = try? RTSPDescriptionReader.read(input.array) {
        precondition(sections.allSatisfy { $0.clockRate > 0 && $0.payloadType < 128 })
    }
}

fuzz(tryInput)
