import Loop
import Server
import Wire

/// What needs a real loop's thread.
actor LoopBenchmarks: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private actor Neighbour: LoopActor {
        nonisolated let eventLoop: EventLoop
        nonisolated var loop: any LoopExecutor { eventLoop }
        private var count = 0

        init(on loop: EventLoop) { eventLoop = loop }

        func add(_ value: Int) -> Int {
            count &+= value
            return count
        }
    }

    init(on loop: EventLoop) { eventLoop = loop }

    func run() -> [Measurement] {
        var bench = Bench()
        let neighbour = Neighbour(on: eventLoop)
        bench.measure("onLoop: enter another actor of the loop") { index in
            neighbour.onLoop { $0.add(index) }
        }
        let timer = eventLoop.makeTimer {}
        let start = eventLoop.now.advanced(bySeconds: 3_600)
        bench.measure("loop: move a timer") { index in
            timer.schedule(at: start.advanced(byNanoseconds: UInt64(index)))
            return index
        }
        let demultiplexer = Demultiplexer(on: eventLoop, limiterSeed: 1)
        let local = SocketAddress(ipv4: 0x7F00_0001, port: 8189)
        let now = eventLoop.now
        var junk: [UInt8] = Array(repeating: 0x5A, count: 1_200)
        for (name, first) in [("media", UInt8(0x80)), ("of no known kind", 0xFF), ("that claims to be a check", 0)] {
            junk[0] = first
            bench.measure("demultiplexer: drop junk \(name)") { index in
                let remote = SocketAddress(
                    ipv4: UInt32(truncatingIfNeeded: index), port: UInt16(truncatingIfNeeded: index))
                let tuple = TransportTuple(local: local, remote: remote)
                return junk.withBytes { junk in
                    demultiplexer.onLoop { $0.belongsToSession(junk, on: tuple, at: now) ? 1 : 0 }
                }
            }
        }
        return bench.measurements
    }
}
