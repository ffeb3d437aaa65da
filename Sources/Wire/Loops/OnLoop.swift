// `onLoop` is `assumeIsolated` without its two heap allocations per call: the closure stays
// non-escaping, so its captures stay on the stack, and the check is one thread-local compare.
// The functions are wrapped in frozen structs before the cast because a bare function handed to the
// generic `unsafeBitCast` is reabstracted, which makes the compiler box `body`.

@usableFromInline @frozen struct IsolatedRunner<Isolated: LoopActor, Failure: Error, Result: ~Copyable> {
    @usableFromInline
    let run: (isolated Isolated, (isolated Isolated) throws(Failure) -> Result) throws(Failure) -> Result
    @inlinable init() {
        run = {
            (actor: isolated Isolated, body: (isolated Isolated) throws(Failure) -> Result) throws(Failure) -> Result in
            try body(actor)
        }
    }
}

@usableFromInline @frozen struct PlainRunner<Isolated: LoopActor, Failure: Error, Result: ~Copyable> {
    @usableFromInline
    let run: (Isolated, (isolated Isolated) throws(Failure) -> Result) throws(Failure) -> Result
}

extension LoopActor {
    /// Enters the actor synchronously from its own loop's thread: the door of the packet path.
    ///
    /// Traps when called on another thread; that is a programming error no input can cause.
    @inlinable @inline(__always)
    public nonisolated func onLoop<Result: ~Copyable, Failure: Error>(
        _ body: (isolated Self) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        precondition(loop.isCurrent, "not on the actor's loop")
        let runner = unsafe unsafeBitCast(
            IsolatedRunner<Self, Failure, Result>(), to: PlainRunner<Self, Failure, Result>.self)
        return try runner.run(self, body)
    }
}

@usableFromInline @frozen struct IsolatedLender<Isolated: LoopActor, Lent, Result> {
    @usableFromInline
    let run: (isolated Isolated, Lent, (isolated Isolated, Lent) -> Result) -> Result
    @inlinable init() {
        run = { (actor: isolated Isolated, lent: Lent, body: (isolated Isolated, Lent) -> Result) -> Result in
            body(actor, lent)
        }
    }
}

@usableFromInline @frozen struct PlainLender<Isolated: LoopActor, Lent, Result> {
    @usableFromInline
    let run: (Isolated, Lent, (isolated Isolated, Lent) -> Result) -> Result
}

extension LoopActor {
    /// Like ``onLoop(_:)``, and lends the other actor something of the caller's for the length of the call.
    ///
    /// What is lent need not be `Sendable`, because both sides run on this one thread; `body` must not keep it.
    @inlinable @inline(__always)
    public nonisolated func onLoop<Lent, Result>(
        lending lent: Lent, _ body: (isolated Self, Lent) -> Result
    ) -> Result {
        precondition(loop.isCurrent, "not on the actor's loop")
        let lender = unsafe unsafeBitCast(
            IsolatedLender<Self, Lent, Result>(), to: PlainLender<Self, Lent, Result>.self)
        return lender.run(self, lent, body)
    }
}
