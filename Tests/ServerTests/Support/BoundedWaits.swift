import Loop
import Testing
import Wire

/// How long a test waits before it fails: far longer than anything takes, so that only what never comes meets it.
let patienceSeconds: UInt64 = 180

/// Looks again and again, letting others run in between, until `condition` holds; false when it takes too long.
func eventually(seconds: UInt64 = patienceSeconds, _ condition: () async -> Bool) async -> Bool {
    let limit = MonotonicClock.now.advanced(bySeconds: seconds)
    while MonotonicClock.now < limit {
        if await condition() { return true }
        guard !Task.isCancelled else { return false }
        // Yielding alone would keep a core from those that are waited for.
        try? await Task.sleep(for: .milliseconds(1))
    }
    return false
}

/// Those who wait on a loop for something; each wait ends, and fails its test, when it takes too long.
///
/// Belongs to one actor on the loop it is made with.
final class BoundedWaits {
    private struct Waiter {
        let number: UInt64
        let isDone: () -> Bool
        let continuation: CheckedContinuation<Void, Never>
        let timer: any LoopTimer
    }
    private let loop: EventLoop
    private var waiters: [Waiter] = []
    private var number: UInt64 = 0

    init(on loop: EventLoop) { self.loop = loop }

    /// Waits until `isDone`; the caller has seen that it is not yet.
    func wait(until isDone: @escaping () -> Bool, isolation: isolated (any Actor)? = #isolation) async {
        number += 1
        let current = number
        await withCheckedContinuation { continuation in
            let timer = loop.makeTimer { self.expire(current) }
            timer.schedule(at: loop.now.advanced(bySeconds: patienceSeconds))
            waiters.append(Waiter(number: current, isDone: isDone, continuation: continuation, timer: timer))
        }
    }

    /// Resumes whoever waited for what holds now.
    func settle() {
        let waiting = waiters
        waiters = []
        for waiter in waiting {
            if waiter.isDone() { resume(waiter) } else { waiters.append(waiter) }
        }
    }

    private func expire(_ number: UInt64) {
        guard let index = waiters.firstIndex(where: { $0.number == number }) else { return }
        Issue.record("nothing came for \(patienceSeconds) s")
        resume(waiters.remove(at: index))
    }

    private func resume(_ waiter: Waiter) {
        waiter.timer.cancel()
        waiter.continuation.resume()
    }
}
