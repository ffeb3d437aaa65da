import Loop
import Synchronization
import Wire

/// Datagrams on their way from the receiving loop to another one: a batch per wake-up, copied, without allocation.
final class DatagramMailbox: Sendable {
    /// What one loop may fall behind before datagrams are dropped: some tens of milliseconds at full rate.
    static let byteCapacity = 4 * 1024 * 1024
    static let packetCapacity = 4096

    private struct Entry {
        var receiver: any DatagramReceiver
        var tuple: TransportTuple
        var arrival: Instant
        var isTrial: Bool
    }

    private struct Box: ~Copyable {
        var packets = PacketBatch(byteCapacity: byteCapacity, packetCapacity: packetCapacity)
        var entries: [Entry] = []

        mutating func removeAll() {
            packets.removeAll()
            entries.removeAll(keepingCapacity: true)
        }
    }

    /// The reader's half, confined to the target loop.
    private actor Reader: LoopActor {
        nonisolated let eventLoop: EventLoop
        nonisolated var loop: any LoopExecutor { eventLoop }
        private var box = Box()

        init(on loop: EventLoop) { eventLoop = loop }

        func open(_ mailbox: DatagramMailbox) {
            let signal = eventLoop.makeSignal(name: "datagram mailbox") { [weak mailbox] in
                guard let mailbox else { return }
                mailbox.reader.onLoop { $0.drain(mailbox.shared) }
            }
            mailbox.use(signal)
        }

        func drain(_ shared: borrowing Mutex<Box>) {
            shared.withLock { swap(&$0, &box) }
            for (index, entry) in box.entries.enumerated() {
                box.packets.withMutablePacket(at: index) { datagram in
                    entry.receiver.receive(
                        &datagram, on: entry.tuple, at: entry.arrival, isTrial: entry.isTrial)
                }
            }
            box.removeAll()
        }
    }

    let loop: EventLoop
    private let shared = Mutex(Box())
    private let reader: Reader
    private let signal: Mutex<LoopSignal?> = Mutex(nil)

    init(to loop: EventLoop) {
        self.loop = loop
        reader = Reader(on: loop)
    }

    /// Makes the mailbox deliver; once, before the first datagram.
    func open() async { await reader.open(self) }

    fileprivate func use(_ signal: LoopSignal) { self.signal.withLock { $0 = signal } }

    /// Copies a datagram for the other loop; `false` when the mailbox is full.
    ///
    /// - Parameter isTrial: see ``DatagramReceiver``.
    func append(
        _ datagram: RawSpan, for receiver: any DatagramReceiver, on tuple: TransportTuple, at now: Instant,
        isTrial: Bool = false
    ) -> Bool {
        let fitted = shared.withLock { box in
            guard box.entries.count < Self.packetCapacity, box.packets.append(copying: datagram) else { return false }
            box.entries.append(Entry(receiver: receiver, tuple: tuple, arrival: now, isTrial: isTrial))
            return true
        }
        if fitted { signal.withLock { $0 }?.raise() }
        return fitted
    }
}
