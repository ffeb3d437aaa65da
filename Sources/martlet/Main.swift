import Glibc
import Loop
import Server
import Wire

@main
struct Main {
    static func main() async {
        // A client that goes away must never end the process.
        signal(SIGPIPE, SIG_IGN)
        let options: CommandLineOptions
        do throws(CommandLineOptions.Fault) {
            options = try CommandLineOptions(Array(CommandLine.arguments.dropFirst()))
        } catch {
            fail(error.description, status: 2)
        }
        switch options.action {
        case .help: Terminal.print(CommandLineOptions.help)
        case .version: Terminal.print("martlet \(MartletServer.version)")
        case .check(let file): check(file)
        case .doctor(let url): await examine(url)
        case .run(let file): await run(file)
        }
    }

    private static func examine(_ url: String) async {
        do throws(Doctor.Fault) {
            let token = SystemInputs.environment()["MTX_METRICSTOKEN"].flatMap { $0.isEmpty ? nil : $0 }
            let diagnosis = try await Doctor(url).examine(token: token)
            Terminal.print(diagnosis.text)
            if diagnosis.status == .fail { exit(1) }
        } catch {
            fail(error.description, status: 1)
        }
    }

    private static func check(_ file: String) {
        let (text, isValid) = SettingsLoader.checkText(
            yaml: read(file), name: file, environment: SystemInputs.environment())
        Terminal.print(text)
        if !isValid { exit(1) }
    }

    private static func read(_ file: String) -> [UInt8] {
        do throws(SettingProblem) {
            return try SystemInputs.readFile(file)
        } catch {
            fail("\(error)", status: 1)
        }
    }

    /// - Parameter isWanted: whether the file must be there.
    private static func load(
        _ name: String, isWanted: Bool, version: UInt64
    ) throws(SettingsError) -> LoadedSettings {
        var yaml: [UInt8]?
        if isWanted || FileReader.isReadable(name) {
            do throws(SettingProblem) {
                yaml = try SystemInputs.readFile(name)
            } catch {
                throw SettingsError([error])
            }
        }
        return try SettingsLoader.load(
            yaml: yaml, name: name, environment: SystemInputs.environment(), version: version)
    }

    private static func run(_ file: String?) async {
        let name = file ?? "martlet.yml"
        let isWanted = file != nil
        let loaded: LoadedSettings
        do throws(SettingsError) {
            loaded = try load(name, isWanted: isWanted, version: 1)
        } catch {
            fail(error.problems.map { "\($0)" }.joined(separator: "\n"), status: 1)
        }
        let log: Log
        do throws(SettingProblem) {
            log = try Log(settings: loaded.settings)
        } catch {
            fail("\(error)", status: 1)
        }
        let logger = Logger(log)
        for warning in loaded.warnings { logger.warn("settings", [LogField(.message, "\(warning)")]) }
        let signals: ProcessSignals
        do throws(LoopError) {
            signals = try ProcessSignals()
            try await signals.receive([.terminate, .interrupt, .hangUp])
        } catch {
            fail(error.description, status: 1)
        }
        let server = MartletServer(
            settings: loaded.settings, log: log, programPath: CommandLine.arguments.first ?? "")
        do throws(ServerFault) {
            try await server.start()
        } catch {
            log.flush()
            fail(error.description, status: 1)
        }
        log.flush()
        await Greeting(server: server, isSecure: loaded.settings.webrtcEncryption).print()
        var version: UInt64 = 1
        for await signal in signals.stream {
            guard signal == .hangUp else { break }
            version += 1
            do throws(SettingsError) {
                let loaded = try load(name, isWanted: isWanted, version: version)
                for warning in loaded.warnings { logger.warn("settings", [LogField(.message, "\(warning)")]) }
                await server.reload(loaded.settings)
            } catch {
                server.reloadFailed(error.problems)
            }
        }
        await server.stop()
    }

    static func fail(_ message: String, status: CInt) -> Never {
        Terminal.complain(message)
        exit(status)
    }
}
