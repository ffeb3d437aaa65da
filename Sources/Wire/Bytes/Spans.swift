extension RawSpan {
    /// The byte at `offset`. Traps when out of range: check against `byteCount` first.
    @inlinable
    public subscript(offset: Int) -> UInt8 {
        precondition(offset >= 0 && offset < byteCount, "offset outside the span")
        return unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// The big-endian integer at `offset`, or nil when it does not lie wholly inside the span.
    @inlinable
    public func integer<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as _: T.Type = T.self) -> T? {
        guard offset >= 0, offset <= byteCount - MemoryLayout<T>.size else { return nil }
        return unsafe T(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// A copy of the bytes in `range`, which must lie inside the span.
    @inlinable
    public func array(_ range: Range<Int>) -> [UInt8] {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "range outside the span")
        let slice = extracting(range)
        return unsafe slice.withUnsafeBytes { unsafe Array($0) }
    }

    /// A copy of all bytes.
    @inlinable public var array: [UInt8] { array(0..<byteCount) }
}

extension Array where Element == UInt8 {
    /// Lends the array's bytes. The span must not outlive `body`.
    @inlinable
    public func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try body(unsafe span.bytes)
    }

    /// Appends an integer, most significant byte first.
    @inlinable
    public mutating func append<T: FixedWidthInteger>(bigEndian value: T) {
        var shift = T.bitWidth
        while shift > 0 {
            shift -= 8
            append(UInt8(truncatingIfNeeded: value >> T(shift)))
        }
    }

    /// Overwrites the integer at `offset`, most significant byte first. The range must exist.
    @inlinable
    public mutating func set<T: FixedWidthInteger>(bigEndian value: T, at offset: Int) {
        var shift = T.bitWidth
        var index = offset
        while shift > 0 {
            shift -= 8
            self[index] = UInt8(truncatingIfNeeded: value >> T(shift))
            index += 1
        }
    }

    /// Appends a copy of `source`.
    @inlinable
    public mutating func append(contentsOf source: RawSpan) {
        unsafe source.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
}

extension OutputRawSpan {
    /// Appends an integer, most significant byte first. Traps when the span has no room left.
    @inlinable
    public mutating func append<T: FixedWidthInteger & BitwiseCopyable>(bigEndian value: T) {
        precondition(freeCapacity >= MemoryLayout<T>.size, "packet larger than it declared")
        unsafe withUnsafeMutableBytes { bytes, count in
            unsafe bytes.storeBytes(of: value.bigEndian, toByteOffset: count, as: T.self)
            count += MemoryLayout<T>.size
        }
    }

    /// Appends a copy of `source`. Traps when the span has no room left.
    @inlinable
    public mutating func append(contentsOf source: RawSpan) {
        precondition(freeCapacity >= source.byteCount, "packet larger than it declared")
        unsafe withUnsafeMutableBytes { bytes, count in
            unsafe source.withUnsafeBytes { from in
                unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[count...]).copyMemory(from: from)
            }
            count += source.byteCount
        }
    }

    /// Overwrites the integer at `offset` of what has been written already.
    @inlinable
    public mutating func set<T: FixedWidthInteger & BitwiseCopyable>(bigEndian value: T, at offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - MemoryLayout<T>.size, "offset outside what was written")
        unsafe withUnsafeMutableBytes { bytes, _ in
            unsafe bytes.storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self)
        }
    }
}

extension MutableRawSpan {
    /// Overwrites the integer at `offset`. Traps when it does not lie wholly inside the span.
    @inlinable
    public mutating func set<T: FixedWidthInteger & BitwiseCopyable>(bigEndian value: T, at offset: Int) {
        precondition(offset >= 0 && offset <= byteCount - MemoryLayout<T>.size, "offset outside the span")
        unsafe withUnsafeMutableBytes { unsafe $0.storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self) }
    }
}
