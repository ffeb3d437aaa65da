import CFuzzer
import Server

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
@_cdecl("LLVMFuzzerTestOneInput")
func tryInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    do {
        let loaded = try SettingsLoader.load(yaml: bytes)
        _ = loaded.settings.room(named: "cam1/main")
        _ = loaded.warnings.map(\.description)
    } catch {
        precondition(!error.problems.isEmpty)
        precondition(!error.description.utf8.contains { $0 < 0x20 && $0 != 0x0A })
    }
    return 0
}

unsafe run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv)
