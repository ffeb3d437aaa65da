import Loop
import Wire

/// The signals this process gets, as a stream. They are received on a small thread of their own.
actor ProcessSignals: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }
    nonisolated let stream: AsyncStream<ProcessSignal>
    private let continuation: AsyncStream<ProcessSignal>.Continuation
    private var source: SignalSource?

    /// Signals are buffered up to this many; an operator sends no more at once.
    private static let maximumBuffered = 16

    init() throws(LoopError) {
        eventLoop = try EventLoop(name: "signals")
        try eventLoop.start()
        (stream, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(Self.maximumBuffered))
    }

    func receive(_ signals: [ProcessSignal]) throws(LoopError) {
        let continuation = continuation
        source = try SignalSource(on: eventLoop, signals: signals) { continuation.yield($0) }
    }
}
