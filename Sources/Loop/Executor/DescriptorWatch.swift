internal import CLinux
internal import Glibc

/// A descriptor watched by a loop. Loop-confined, but it may be dropped on any thread; dropping it ends the watch.
///
/// End the watch before closing the descriptor.
public final class DescriptorWatch {
    private let loop: EventLoop
    private let descriptor: CInt
    private let token: UInt64
    public private(set) var interest: DescriptorInterest = []

    init(
        on loop: EventLoop, _ descriptor: CInt, name: StaticString, _ handler: @escaping (DescriptorReadiness) -> Void
    ) {
        self.loop = loop
        self.descriptor = descriptor
        token = loop.descriptors.insert(name: name, handler)
    }

    deinit {
        let (descriptor, token) = (descriptor, token)
        loop.onThread { $0.endWatch(descriptor, token) }
    }

    /// Changes what the watch waits for.
    public func update(_ interest: DescriptorInterest) throws(LoopError) {
        loop.preconditionCurrent()
        guard interest != self.interest else { return }
        try loop.register(descriptor, token, interest)
        self.interest = interest
    }

    /// The handler is not called again, not even for what this turn has still in store.
    public func cancel() {
        loop.preconditionCurrent()
        interest = []
        loop.endWatch(descriptor, token)
    }
}

extension EventLoop {
    /// Calls `handler` in every turn in which `descriptor` is ready for what `interest` names. Loop thread only.
    public func watch(
        _ descriptor: CInt, for interest: DescriptorInterest, name: StaticString,
        _ handler: @escaping (DescriptorReadiness) -> Void
    ) throws(LoopError) -> DescriptorWatch {
        preconditionCurrent()
        let watch = DescriptorWatch(on: self, descriptor, name: name, handler)
        try watch.update(interest)
        return watch
    }

    fileprivate func register(
        _ descriptor: CInt, _ token: UInt64, _ interest: DescriptorInterest
    ) throws(LoopError) {
        guard descriptors.handler(for: token) != nil else { return }
        let isRegistered = descriptors.isRegistered(descriptor, by: token)
        if interest.isEmpty {
            if isRegistered { unregister(descriptor) }
            return
        }
        var event = unsafe epoll_event()
        unsafe clinux_event_set(&event, interest.epoll, token)
        let operation = isRegistered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD
        guard unsafe epoll_ctl(pollDescriptor, operation, descriptor, &event) != 0 else {
            descriptors.setRegistered(descriptor, by: token)
            return
        }
        throw LoopError("watch descriptor \(descriptor)", code: errno)
    }

    fileprivate func endWatch(_ descriptor: CInt, _ token: UInt64) {
        if descriptors.isRegistered(descriptor, by: token) { unregister(descriptor) }
        // The handler goes after the table is whole again: what it captured may own watches too.
        withExtendedLifetime(descriptors.remove(token)) {}
    }

    private func unregister(_ descriptor: CInt) {
        descriptors.setRegistered(descriptor, by: nil)
        // Fails when the descriptor was closed first, and then the kernel has forgotten it already.
        _ = epoll_ctl(pollDescriptor, EPOLL_CTL_DEL, descriptor, nil)
    }
}
