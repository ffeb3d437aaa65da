import CFuzzer
import SDP

/// Called with inputs libFuzzer keeps mutating towards unexplored branches. What parses has to survive being written.
@_cdecl("LLVMFuzzerTestOneInput")
func tryInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
    guard let fragment = try? TrickleFragment(parsing: unsafe bytes.bytes) else { return 0 }
    for candidate in fragment.candidates(forMids: ["0"]) {
        _ = candidate.usableAddress(allowingLoopback: false)
        precondition(ICECandidate(candidate.text) == candidate, "a candidate reads differently from how it was written")
    }
    let written = Array(fragment.text.utf8)
    // A fragment of unknown attributes alone is read and has nothing to write.
    guard !written.isEmpty else { return 0 }
    guard let again = try? TrickleFragment(parsing: written) else {
        precondition(written.count > count, "what was written cannot be read")
        return 0
    }
    precondition(again == fragment, "what was written reads differently")
    return 0
}

@main struct FuzzSDPFragment {
    static func main() { unsafe run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv) }
}
