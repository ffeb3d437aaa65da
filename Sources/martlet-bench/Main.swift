import Glibc

@main
struct Main {
    static func main() async {
        signal(SIGPIPE, SIG_IGN)
        do {
            switch try CommandLineOptions(Array(CommandLine.arguments.dropFirst())) {
            case .help: Console.print(CommandLineOptions.usage)
            case .serve: try await ServeCommand.run()
            case .micro(let isJSON, let word):
                let measurements = try await MicroBenchmarks.run(only: word)
                if !isJSON { Console.print(MicroBenchmarks.head) }
                for measurement in measurements {
                    Console.print(isJSON ? MicroBenchmarks.json(measurement) : MicroBenchmarks.line(measurement))
                }
            case .checkLimits: if try await !LimitsCheck.run() { exit(1) }
            case .fanout(let options): try await fanout(options)
            case .rtsp(let options): try await rtsp(options)
            }
        } catch {
            Console.complain("\(error)")
            exit(2)
        }
    }

    private static func rtsp(_ options: CommandLineOptions.RTSP) async throws {
        var isSound = true
        if !options.isJSON { Console.print(RTSPReport.head) }
        for delivery in options.deliveries {
            for count in options.readers {
                let benchmark = RTSPBenchmark(
                    delivery: delivery, readerCount: count, seconds: options.seconds, hasAudio: options.hasAudio,
                    tracesAllocations: options.tracesAllocations)
                let result = try await benchmark.run()
                Console.print(options.isJSON ? RTSPReport.json(result) : RTSPReport.line(result))
                isSound = isSound && result.isSound
            }
        }
        if !isSound { throw BenchmarkFault("what a reader got is not what was published") }
    }

    private static func fanout(_ options: CommandLineOptions.Fanout) async throws {
        var isSound = true
        if !options.isJSON { Console.print(FanoutReport.head) }
        for count in options.viewers {
            let benchmark = FanoutBenchmark(
                viewerCount: count, seconds: options.seconds, packetsPerBurst: options.packetsPerBurst,
                givesFeedback: options.givesFeedback,
                tracesAllocations: options.tracesAllocations)
            let result = try await benchmark.run()
            Console.print(options.isJSON ? FanoutReport.json(result) : FanoutReport.line(result))
            isSound = isSound && result.isSound
        }
        if !isSound { throw BenchmarkFault("what a viewer decrypted is not what was published") }
    }
}
