import Conversion
import Loop
import Synchronization
import Wire

/// One transcoder, from its start to its end, and what it has been told. Loop-confined.
///
/// It counts as running (``SoundConversionCounters/running``) until it is closed; the owner counts it in.
final class SoundTranscoder {
    enum Event {
        /// It takes what it was told last.
        case ready(ConversionReply.Decoder)
        case packet(ConvertedPacket)
        /// It cannot convert this at all, or is of another release.
        case refused(String)
        case frameDamaged(String)
        case said(String)
        /// The last one.
        case ended(ChildProcessEnd)
    }

    /// Since when a transcoder neither takes nor answers anything, though there is something to take. One for which there was
    /// nothing to do does not stand still, however long ago it answered.
    struct Standstill {
        private var firstRefusal: Instant?

        mutating func refused(at now: Instant) { firstRefusal = firstRefusal ?? now }
        mutating func ended() { firstRefusal = nil }
        func milliseconds(at now: Instant) -> Int64 { firstRefusal.map { now.milliseconds(since: $0) } ?? 0 }
    }

    private let loop: EventLoop
    private let counters: SoundConversionCounters
    private let startedAt: Instant
    private let onEvent: (Event) -> Void
    private var child: ChildProcess?
    private var standstill = Standstill()
    /// Beginnings that it has not answered yet; what it sends until then belongs to what came before.
    private var pendingBegins = 0

    /// Starts it; what it is given meanwhile waits.
    init(
        _ path: String, on loop: EventLoop, counters: SoundConversionCounters, onEvent: @escaping (Event) -> Void
    ) {
        self.loop = loop
        self.counters = counters
        self.onEvent = onEvent
        startedAt = loop.now
        var limits = ChildProcessLimits()
        limits.messageBytes = ConversionMessages.maximumSize
        // A second of the smallest frames, and of the largest.
        limits.queuedMessages = 64
        limits.queuedBytes = 512 << 10
        child = ChildProcess(
            path, on: loop, limits: limits, onMessage: { [weak self] in self?.received($0) },
            onLine: { [weak self] in self?.onEvent(.said($0)) }, onEnd: { [weak self] in self?.onEvent(.ended($0)) })
    }

    deinit {
        if child != nil { counters.running.subtract(1, ordering: .relaxed) }
    }

    /// nil until it has started.
    var processID: Int32? { child?.processID }
    var ageMilliseconds: Int64 { loop.now.milliseconds(since: startedAt) }
    /// How long it has taken and answered nothing, though there was something to take.
    var standstillMilliseconds: Int64 { standstill.milliseconds(at: loop.now) }

    /// Nothing is heard of it any more.
    func close() {
        guard let child else { return }
        child.close()
        self.child = nil
        counters.running.subtract(1, ordering: .relaxed)
    }

    // MARK: requests

    /// Tells it what follows; what it still has of what came before is dropped. `false` when it did not take that.
    func begin(_ format: ConversionFormat) -> Bool {
        guard send(.begin(format)) else { return false }
        pendingBegins += 1
        return true
    }

    /// `false` when it did not take it.
    func take(_ frame: ConversionFrame) -> Bool { send(.frame(frame)) }

    private func send(_ request: ConversionRequest) -> Bool {
        guard let child, let message = try? request.encoded() else { return false }
        guard child.send(message) else {
            standstill.refused(at: loop.now)
            return false
        }
        standstill.ended()
        return true
    }

    // MARK: replies

    private func received(_ message: RawSpan) {
        standstill.ended()
        let reply: ConversionReply
        do throws(ConversionError) {
            reply = try ConversionReply(parsing: message)
        } catch {
            counters.malformedReplies.add(1, ordering: .relaxed)
            if case .version = error { onEvent(.refused(error.description)) }
            return
        }
        switch reply {
        case .ready(let decoder):
            if isLatestBegin() { onEvent(.ready(decoder)) }
        case .packet(let packet):
            if pendingBegins == 0 { onEvent(.packet(packet)) }
        case .fault(let fault) where fault.isFatal:
            // Another says nothing about what was begun since, whose answer is still to come.
            if isLatestBegin() { onEvent(.refused(fault.text)) }
        case .fault(let fault): onEvent(.frameDamaged(fault.text))
        case .flushed: break
        }
    }

    /// Notes the answer to a beginning.
    private func isLatestBegin() -> Bool {
        pendingBegins = max(0, pendingBegins - 1)
        return pendingBegins == 0
    }
}
