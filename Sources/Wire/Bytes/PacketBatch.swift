/// Packets written back to back into one reusable block of memory.
///
/// The batch owns its memory and is moved, never copied. ``removeAll()`` keeps the capacity, so a
/// steady stream allocates nothing after its first frame.
@safe
public struct PacketBatch: ~Copyable, @unchecked Sendable {
    @usableFromInline let storage: UnsafeMutableRawBufferPointer
    @usableFromInline var used = 0
    @usableFromInline var ends: [Int] = []

    /// - Parameters:
    ///   - byteCapacity: bytes of all packets together; more are refused, never grown into.
    ///   - packetCapacity: how many packets fit without growing the index.
    public init(byteCapacity: Int, packetCapacity: Int) {
        unsafe storage = .allocate(byteCount: byteCapacity, alignment: 16)
        ends.reserveCapacity(packetCapacity)
    }

    deinit { unsafe storage.deallocate() }

    @inlinable public var count: Int { ends.count }
    @inlinable public var isEmpty: Bool { ends.isEmpty }
    @inlinable public var byteCount: Int { used }

    @inlinable
    public mutating func removeAll() {
        used = 0
        ends.removeAll(keepingCapacity: true)
    }

    /// Appends one packet of at most `maximumSize` bytes, filled in by `write`.
    ///
    /// - Returns: `false`, having written nothing, when the batch has no room left.
    @inlinable
    public mutating func append(maximumSize: Int, _ write: (inout OutputRawSpan) -> Void) -> Bool {
        guard maximumSize >= 0, unsafe used + maximumSize <= storage.count else { return false }
        let slice = unsafe UnsafeMutableRawBufferPointer(rebasing: storage[used..<used + maximumSize])
        var output = unsafe OutputRawSpan(buffer: slice, initializedCount: 0)
        write(&output)
        unsafe used += output.finalize(for: slice)
        ends.append(used)
        return true
    }

    /// Appends a copy of `packet`; `false` when there is no room left.
    @inlinable
    public mutating func append(copying packet: RawSpan) -> Bool {
        append(maximumSize: packet.byteCount) { $0.append(contentsOf: packet) }
    }

    /// Lends packet `index`. The span must not outlive `body`.
    @inlinable
    public func withPacket<R>(at index: Int, _ body: (RawSpan) -> R) -> R {
        let start = index == 0 ? 0 : ends[index - 1]
        let slice = unsafe UnsafeRawBufferPointer(rebasing: storage[start..<ends[index]])
        return unsafe body(slice.bytes)
    }

    /// Lends packet `index` for changing in place. The span must not outlive `body`.
    @inlinable
    public mutating func withMutablePacket<R>(at index: Int, _ body: (inout MutableRawSpan) -> R) -> R {
        let start = index == 0 ? 0 : ends[index - 1]
        let slice = unsafe UnsafeMutableRawBufferPointer(rebasing: storage[start..<ends[index]])
        var span = unsafe slice.mutableBytes
        return body(&span)
    }
}
