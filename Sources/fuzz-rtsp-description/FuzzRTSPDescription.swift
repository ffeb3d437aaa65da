import CFuzzer
import Server

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
@_cdecl("LLVMFuzzerTestOneInput")
func tryInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    if let sections = try? RTSPDescriptionReader.read(bytes) {
        precondition(sections.allSatisfy { $0.clockRate > 0 && $0.payloadType < 128 })
    }
    return 0
}

unsafe run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv)
