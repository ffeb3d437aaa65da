import CFuzzer
import SDP

/// Called with inputs libFuzzer keeps mutating towards unexplored branches. What parses has to survive being written.
@_cdecl("LLVMFuzzerTestOneInput")
func tryInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
    guard let session = try? SessionDescription(parsing: unsafe bytes.bytes) else { return 0 }
    let written = session.bytes
    // Writing spells out what was left out or shortened, so it may be larger than what may be read.
    guard let again = try? SessionDescription(parsing: written) else {
        precondition(written.count > count, "what was written cannot be read")
        return 0
    }
    precondition(again == session, "what was written reads differently")
    for media in session.media {
        for payloadType in media.payloadTypes {
            _ = media.rtpMap(for: payloadType)
            _ = media.parameters(for: payloadType).text
        }
    }
    return 0
}

@main struct FuzzSDP {
    static func main() { unsafe run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv) }
}
