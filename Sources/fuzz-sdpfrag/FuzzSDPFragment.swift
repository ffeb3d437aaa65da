import FuzzKit
import SDP
import Wire

/// Called with inputs libFuzzer keeps mutating towards unexplored branches. What parses has to survive being written.
func tryInput(_ input: RawSpan) {
    guard let fragment = try? TrickleFragment(parsing: input) else { return }
    for candidate in fragment.candidates(forMids: ["0"]) {
        _ = candidate.usableAddress(allowingLoopback: false)
        precondition(ICECandidate(candidate.text) == candidate, "a candidate reads differently from how it was written")
    }
    let written = Array(fragment.text.utf8)
    // A fragment of unknown attributes alone is read and has nothing to write.
    guard !written.isEmpty else { return }
    guard let again = try? TrickleFragment(parsing: written) else {
        precondition(written.count > input.byteCount, "what was written cannot be read")
        return
    }
    precondition(again == fragment, "what was written reads differently")
}

@main struct FuzzSDPFragment {
    static func main() { fuzz(tryInput) }
}
