/// What the command line asks for.
enum CommandLineOptions {
    struct Fanout {
        var viewers = [1, 10, 100]
        var seconds = 10
        var packetsPerBurst = 1_000
        var isJSON = false
        var givesFeedback = true
        var tracesAllocations = false
    }

    struct RTSP {
        var deliveries: [BenchmarkRTSPReader.Delivery] = [.tcp, .udp]
        var readers = [1, 10, 50, 200]
        var seconds = 10
        var hasAudio = true
        var isJSON = false
        var tracesAllocations = false
    }

    case fanout(Fanout)
    case rtsp(RTSP)
    case micro(isJSON: Bool, only: String?)
    case checkLimits
    case serve
    case help

    init(_ arguments: [String]) throws(BenchmarkFault) {
        var rest = arguments[...]
        switch rest.popFirst() {
        case nil, "--help", "-h": self = .help
        case "serve": self = .serve
        case "micro": self = .micro(isJSON: rest.popFirst("--json"), only: rest.popFirst())
        case "--check-limits": self = .checkLimits
        case "fanout": self = .fanout(try Self.fanout(&rest))
        case "rtsp": self = .rtsp(try Self.rtsp(&rest))
        case let word?: throw BenchmarkFault("unknown command '\(word)'; martlet-bench --help lists them")
        }
        if let surplus = rest.first { throw BenchmarkFault("what is '\(surplus)' for?") }
    }

    private static func fanout(_ rest: inout ArraySlice<String>) throws(BenchmarkFault) -> Fanout {
        var options = Fanout()
        while let word = rest.popFirst() {
            switch word {
            case "--json": options.isJSON = true
            case "--no-feedback": options.givesFeedback = false
            case "--trace-allocations": options.tracesAllocations = true
            case "--viewers": options.viewers = try counts(&rest, of: word)
            case "--seconds": options.seconds = try seconds(&rest)
            case "--burst":
                guard let count = rest.popFirst().flatMap({ Int($0) }), (1...1_000).contains(count) else {
                    throw BenchmarkFault("--burst takes a number from 1 to 1000")
                }
                options.packetsPerBurst = count
            default: throw BenchmarkFault("unknown option '\(word)'")
            }
        }
        return options
    }

    private static func rtsp(_ rest: inout ArraySlice<String>) throws(BenchmarkFault) -> RTSP {
        var options = RTSP()
        while let word = rest.popFirst() {
            switch word {
            case "--json": options.isJSON = true
            case "--no-audio": options.hasAudio = false
            case "--trace-allocations": options.tracesAllocations = true
            case "--readers": options.readers = try counts(&rest, of: word)
            case "--seconds": options.seconds = try seconds(&rest)
            case "--over":
                guard let delivery = rest.popFirst().flatMap({ BenchmarkRTSPReader.Delivery(rawValue: $0) }) else {
                    throw BenchmarkFault("--over takes tcp or udp")
                }
                options.deliveries = [delivery]
            default: throw BenchmarkFault("unknown option '\(word)'")
            }
        }
        return options
    }

    private static func counts(
        _ rest: inout ArraySlice<String>, of option: String
    ) throws(BenchmarkFault) -> [Int] {
        let counts = (rest.popFirst() ?? "").split(separator: ",").compactMap { Int($0) }
        guard !counts.isEmpty, counts.allSatisfy({ (1...1_000).contains($0) }) else {
            throw BenchmarkFault("\(option) takes numbers from 1 to 1000, with commas between")
        }
        return counts
    }

    private static func seconds(_ rest: inout ArraySlice<String>) throws(BenchmarkFault) -> Int {
        guard let seconds = rest.popFirst().flatMap({ Int($0) }), (2...3_600).contains(seconds) else {
            throw BenchmarkFault("--seconds takes a number from 2 to 3600")
        }
        return seconds
    }

    static let usage = """
        What Martlet costs: processor time, heap allocations and system calls of its packet path.

        usage: martlet-bench fanout [--viewers 1,10,100] [--seconds 10] [--burst N] [--no-feedback] [--json]
                                    [--trace-allocations]
               martlet-bench rtsp [--over tcp|udp] [--readers 1,10,50,200] [--seconds 10] [--no-audio] [--json]
                                  [--trace-allocations]
               martlet-bench micro [--json] [WORD]
               martlet-bench --check-limits

          fanout              one publisher and so many viewers over loopback, the server in a process of its own:
                              processor time and allocations for each packet sent
          rtsp                one publisher and so many readers over RTSP, likewise; also the memory of each reader
          --seconds N         how long to measure each number of viewers
          --burst N           the publisher paces its video: N packets every 5 ms, instead of whole frames; browsers send
                              3 to 5
          --no-feedback       viewers that do not tell when packets arrived, so that nothing is paced
          --json              one JSON object a line instead of a table
          --trace-allocations tell on standard error where the server allocated while it was measured
          micro               the parts of the packet path, each by itself; only those with WORD in their name
          --check-limits      allocations against their limits; fails when one is over
        """
}

extension ArraySlice where Element: Equatable {
    /// Takes the first element away if it is `element`.
    fileprivate mutating func popFirst(_ element: Element) -> Bool {
        guard first == element else { return false }
        removeFirst()
        return true
    }
}
