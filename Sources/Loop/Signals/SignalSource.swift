internal import CLinux
internal import Glibc

/// The signals an operator sends to a server.
public enum ProcessSignal: Hashable, Sendable, CaseIterable {
    case terminate, interrupt, hangUp, user1, user2

    var number: CInt {
        switch self {
        case .terminate: SIGTERM
        case .interrupt: SIGINT
        case .hangUp: SIGHUP
        case .user1: SIGUSR1
        case .user2: SIGUSR2
        }
    }
}

/// Delivers process signals on a loop, in place of their usual effect. Loop-confined; it works until ``close()``, and
/// keeps itself alive until then.
///
/// The signal handler itself only writes to a pipe, so it does not matter which thread the kernel picks. Signals of one
/// kind that come before the loop looks are delivered at least once.
public final class SignalSource {
    private let signals: [ProcessSignal]
    private let onSignal: (ProcessSignal) -> Void
    private let reading: Descriptor
    private let writing: Descriptor
    private var watch: DescriptorWatch?

    /// - Throws: when another source has one of the signals, or the system is out of descriptors.
    public init(
        on loop: EventLoop, signals: [ProcessSignal], onSignal: @escaping (ProcessSignal) -> Void
    ) throws(LoopError) {
        var ends: (reading: CInt, writing: CInt) = (-1, -1)
        try check(unsafe clinux_pipe(&ends.reading, &ends.writing), "receive signals")
        reading = Descriptor(ends.reading)
        writing = Descriptor(ends.writing)
        self.onSignal = onSignal
        var redirected: [ProcessSignal] = []
        do {
            for signal in signals {
                try check(clinux_redirect_signal(signal.number, ends.writing), "receive the signal \(signal)")
                redirected.append(signal)
            }
        } catch {
            for signal in redirected { clinux_restore_signal(signal.number) }
            self.signals = []
            throw error
        }
        self.signals = signals
        do {
            watch = try loop.watch(ends.reading, for: .reading, name: "process signal") { self.ready($0) }
        } catch {
            close()
            throw error
        }
    }

    /// Gives the signals their former effect back.
    public func close() {
        guard !isClosed else { return }
        isClosed = true
        for signal in signals { clinux_restore_signal(signal.number) }
        watch?.cancel()
        watch = nil
    }

    private var isClosed = false

    private func ready(_ readiness: DescriptorReadiness) {
        guard !readiness.contains(.loopStopped) else { return close() }
        var number: UInt8 = 0
        while !isClosed, unsafe read(reading.number, &number, 1) == 1 {
            guard let signal = signals.first(where: { $0.number == CInt(number) }) else { continue }
            onSignal(signal)
        }
    }
}
