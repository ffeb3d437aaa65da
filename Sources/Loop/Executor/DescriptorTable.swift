internal import CLinux
internal import Glibc

/// What a watch waits for. Errors and hang-ups come with any of them; a watch that waits for nothing reports nothing.
public struct DescriptorInterest: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let reading = DescriptorInterest(rawValue: 1)
    public static let writing = DescriptorInterest(rawValue: 2)
    /// The peer has finished sending.
    public static let endOfInput = DescriptorInterest(rawValue: 4)
    /// Errors and hang-ups alone.
    public static let errors = DescriptorInterest(rawValue: 8)

    var epoll: UInt32 {
        (contains(.reading) ? EPOLLIN.rawValue : 0) | (contains(.writing) ? EPOLLOUT.rawValue : 0)
            | (contains(.endOfInput) ? EPOLLRDHUP.rawValue : 0)
    }
}

/// What a descriptor is ready for.
public struct DescriptorReadiness: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let reading = DescriptorReadiness(rawValue: 1)
    public static let writing = DescriptorReadiness(rawValue: 2)
    public static let endOfInput = DescriptorReadiness(rawValue: 4)
    public static let hangUp = DescriptorReadiness(rawValue: 8)
    public static let error = DescriptorReadiness(rawValue: 16)
    /// The loop ends: this is the watch's last call.
    public static let loopStopped = DescriptorReadiness(rawValue: 32)

    init(epoll events: UInt32) {
        var value: DescriptorReadiness = []
        if events & EPOLLIN.rawValue != 0 { value.insert(.reading) }
        if events & EPOLLOUT.rawValue != 0 { value.insert(.writing) }
        if events & EPOLLRDHUP.rawValue != 0 { value.insert(.endOfInput) }
        if events & EPOLLHUP.rawValue != 0 { value.insert(.hangUp) }
        if events & EPOLLERR.rawValue != 0 { value.insert(.error) }
        self = value
    }
}

/// The registrations of a loop.
///
/// The kernel gives back a token of slot and generation with each event. A slot's generation changes when its watch
/// ends, so an event of this turn that was meant for a descriptor closed meanwhile finds nobody, even if the
/// descriptor's number or the slot has been taken again.
struct DescriptorTable {
    typealias Handler = (DescriptorReadiness) -> Void

    private struct Slot {
        var generation: UInt32 = 0
        var name: StaticString = ""
        var handler: Handler?
    }

    /// The token of the loop's own wake descriptor; no slot gets that far.
    static let wakeToken = UInt64.max

    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    /// The token registered with the kernel for each descriptor number.
    private var registered: [CInt: UInt64] = [:]

    mutating func insert(name: StaticString, _ handler: @escaping Handler) -> UInt64 {
        let index: UInt32
        if let free = freeSlots.popLast() {
            index = free
        } else {
            index = UInt32(slots.count)
            slots.append(Slot())
        }
        slots[Int(index)].name = name
        slots[Int(index)].handler = handler
        return UInt64(slots[Int(index)].generation) << 32 | UInt64(index)
    }

    /// Ends a watch; nil when it had ended before.
    mutating func remove(_ token: UInt64) -> Handler? {
        guard let index = index(of: token), let handler = slots[index].handler else { return nil }
        slots[index].handler = nil
        slots[index].generation &+= 1
        freeSlots.append(UInt32(index))
        return handler
    }

    func handler(for token: UInt64) -> (name: StaticString, handler: Handler)? {
        guard let index = index(of: token), let handler = slots[index].handler else { return nil }
        return (slots[index].name, handler)
    }

    mutating func removeAll() -> [(name: StaticString, handler: Handler)] {
        let handlers = slots.compactMap { slot in slot.handler.map { (slot.name, $0) } }
        for index in slots.indices where slots[index].handler != nil {
            slots[index].handler = nil
            slots[index].generation &+= 1
            freeSlots.append(UInt32(index))
        }
        registered.removeAll()
        return handlers
    }

    private func index(of token: UInt64) -> Int? {
        let index = Int(token & 0xFFFF_FFFF)
        guard index < slots.count, slots[index].generation == UInt32(token >> 32) else { return nil }
        return index
    }

    /// Whether the kernel's registration of `descriptor` is this watch's, not that of a later one with the same number.
    func isRegistered(_ descriptor: CInt, by token: UInt64) -> Bool { registered[descriptor] == token }

    mutating func setRegistered(_ descriptor: CInt, by token: UInt64?) { registered[descriptor] = token }
}
