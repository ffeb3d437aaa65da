import FuzzKit
import Server
import Wire

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
func tryInput(_ input: RawSpan) {
    let bytes = input.array
    do {
        let loaded = try SettingsLoader.load(yaml: bytes)
        _ = loaded.settings.room(named: "cam1/main")
        _ = loaded.warnings.map(\.description)
    } catch {
        precondition(!error.problems.isEmpty)
        precondition(!error.description.utf8.contains { $0 < 0x20 && $0 != 0x0A })
    }
}

fuzz(tryInput)
