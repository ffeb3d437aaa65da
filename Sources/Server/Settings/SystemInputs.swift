internal import Loop

/// The configuration's two inputs, read from the system once at start and again for a reload.
public enum SystemInputs {
    /// All environment variables.
    public static func environment() -> [String: String] { ProcessEnvironment.variables }

    /// Reads a settings file whole. Blocks, so not for a loop.
    ///
    /// - Throws: A problem that names the file and the system's reason.
    public static func readFile(_ path: String) throws(SettingProblem) -> [UInt8] {
        do throws(LoopError) {
            return try FileReader.readNow(path, maximumSize: YAMLReader.maximumSize)
        } catch {
            throw SettingProblem(origin: SettingOrigin(source: path), message: error.description)
        }
    }
}
