/// What the command line asks for.
struct CommandLineOptions: Equatable {
    enum Action: Equatable {
        case run(settingsFile: String?)
        case check(settingsFile: String)
        case doctor(url: String)
        case help
        case version
    }

    enum Fault: Error, Equatable, CustomStringConvertible {
        case unknown(String)
        case missingFile(String)
        case surplus(String)

        var description: String {
            switch self {
            case .unknown(let word): "unknown option '\(word)'; martlet --help lists the options"
            case .missingFile(let option): "\(option) needs the name of a settings file"
            case .surplus(let word): "one settings file is enough; what is '\(word)' for?"
            }
        }
    }

    var action: Action

    /// - Parameter arguments: without the program's name.
    init(_ arguments: [String]) throws(Fault) {
        var settingsFile: String?
        var checkFile: String?
        var remaining = arguments[...]
        if remaining.first == "doctor" {
            guard remaining.count <= 2 else { throw .surplus(remaining[2]) }
            action = .doctor(url: remaining.dropFirst().first ?? "http://127.0.0.1:8889")
            return
        }
        while let word = remaining.popFirst() {
            switch word {
            case "--help", "-h":
                action = .help
                return
            case "--version", "-v":
                action = .version
                return
            case "--check":
                guard let file = remaining.popFirst() else { throw .missingFile(word) }
                checkFile = file
            case "--config", "-c":
                guard let file = remaining.popFirst() else { throw .missingFile(word) }
                settingsFile = file
            default:
                guard !word.hasPrefix("-") else { throw .unknown(word) }
                guard settingsFile == nil else { throw .surplus(word) }
                settingsFile = word
            }
        }
        action = checkFile.map { .check(settingsFile: $0) } ?? .run(settingsFile: settingsFile)
    }

    static let help = """
        Martlet, a live media server: publish over WHIP, watch over WHEP.

        usage: martlet [FILE]
               martlet --check FILE
               martlet doctor [URL]

          FILE             settings, YAML; without it martlet.yml in the working directory is
                           read when there is one, and defaults apply otherwise
          --config FILE    the same
          --check FILE     say whether the settings can be used, and what is wrong with them
          doctor [URL]     ask a running server what keeps WebRTC from working; without a URL the
                           one on this machine. MTX_METRICSTOKEN gives details from elsewhere.
                           The exit status is 1 when something fails
          --version        print the version
          --help           print this

        Every setting can be given in the environment too: MTX_LOGLEVEL=debug.
        SIGTERM and SIGINT stop the server in order; SIGHUP reads the settings
        and the HTTPS certificate again.
        """
}
