import Wire

extension Array where Element == UInt8 {
    /// Lends the array's bytes for changing in place.
    public mutating func withMutableBytes<R>(_ body: (inout MutableRawSpan) -> R) -> R {
        unsafe withUnsafeMutableBytes { bytes in
            var span = unsafe bytes.mutableBytes
            return body(&span)
        }
    }

    /// What `write` puts into at most `capacity` bytes of memory.
    public static func written(capacity: Int, _ write: (inout OutputRawSpan) -> Void) -> [UInt8] {
        var batch = PacketBatch(byteCapacity: capacity, packetCapacity: 1)
        _ = batch.append(maximumSize: capacity, write)
        return batch.withPacket(at: 0) { $0.array }
    }
}
