/// Reads big-endian fields from borrowed bytes. Never copies, never traps on short input.
@frozen
public struct ByteReader: ~Copyable, ~Escapable {
    @usableFromInline let bytes: RawSpan
    @usableFromInline var position: Int

    /// How far reading has come.
    @inlinable public var offset: Int { position }
    @inlinable public var remaining: Int { bytes.byteCount - position }
    @inlinable public var isAtEnd: Bool { remaining == 0 }

    @inlinable @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) {
        self.bytes = bytes
        self.position = 0
    }

    /// Reads an integer, most significant byte first.
    @inlinable
    public mutating func read<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type = T.self) throws(WireError) -> T {
        let size = MemoryLayout<T>.size
        guard remaining >= size else { throw .truncated(at: position) }
        // The guard above proves the range; `unsafeLoadUnaligned` has no other precondition for integers.
        let value = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: position, as: T.self)
        position += size
        return T(bigEndian: value)
    }

    /// Reads a 24-bit integer, most significant byte first.
    @inlinable
    public mutating func readUInt24() throws(WireError) -> UInt32 {
        let high: UInt8 = try read()
        let low: UInt16 = try read()
        return UInt32(high) << 16 | UInt32(low)
    }

    @inlinable
    public mutating func skip(_ count: Int) throws(WireError) {
        guard count >= 0, remaining >= count else { throw .truncated(at: position) }
        position += count
    }

    /// Takes the next `count` bytes as offsets into the span that was given to the initialiser.
    @inlinable
    public mutating func take(_ count: Int) throws(WireError) -> Range<Int> {
        guard count >= 0, remaining >= count else { throw .truncated(at: position) }
        let start = position
        position += count
        return start..<position
    }
}
