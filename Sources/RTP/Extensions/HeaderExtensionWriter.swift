import Wire

/// Writes the extension block of an outgoing packet, element by element.
///
///     var writer = HeaderExtensionWriter(twoByte: false, to: &output)
///     writer.append(id: 3, UInt16(7), to: &output)
///     writer.finish(&output)
///
/// The caller knows beforehand whether an element needs the two-byte form, see ``needsTwoByteForm(id:count:)``;
/// an element that does not fit the chosen form is left out.
public struct HeaderExtensionWriter: Sendable {
    private let start: Int
    private let isTwoByte: Bool

    /// Bytes before the first element: profile and length.
    public static let headerSize = 4

    /// Whether an element with this id and size can only be written in the two-byte form (RFC 8285, section 4.2).
    public static func needsTwoByteForm(id: UInt8, count: Int) -> Bool {
        id > HeaderExtensionMap.highestOneByteID || count == 0 || count > 16
    }

    /// Appends the profile and room for the length.
    public init(twoByte: Bool, to output: inout OutputRawSpan) {
        isTwoByte = twoByte
        output.append(
            bigEndian: twoByte ? HeaderExtensionIterator.twoByteProfile : HeaderExtensionIterator.oneByteProfile)
        output.append(bigEndian: UInt16(0))
        start = output.byteCount
    }

    /// Appends one element; `false`, having written nothing, when it does not fit the form or the memory.
    @discardableResult
    public func append(id: UInt8, _ value: RawSpan, to output: inout OutputRawSpan) -> Bool {
        guard appendElementHeader(id: id, count: value.byteCount, to: &output) else { return false }
        output.append(contentsOf: value)
        return true
    }

    /// Appends one element holding an integer, most significant byte first.
    @discardableResult
    public func append<T: FixedWidthInteger & BitwiseCopyable>(
        id: UInt8, _ value: T, to output: inout OutputRawSpan
    ) -> Bool {
        guard appendElementHeader(id: id, count: MemoryLayout<T>.size, to: &output) else { return false }
        output.append(bigEndian: value)
        return true
    }

    /// Appends one element of `count` bytes, of which `byte` gives each.
    func append(id: UInt8, count: Int, to output: inout OutputRawSpan, _ byte: (Int) -> UInt8) {
        guard appendElementHeader(id: id, count: count, to: &output) else { return }
        for index in 0..<count { output.append(byte(index)) }
    }

    /// Appends one element holding the low 24 bits of `value`.
    @discardableResult
    public func append(id: UInt8, uint24 value: UInt32, to output: inout OutputRawSpan) -> Bool {
        guard appendElementHeader(id: id, count: 3, to: &output) else { return false }
        output.append(UInt8(truncatingIfNeeded: value >> 16))
        output.append(bigEndian: UInt16(truncatingIfNeeded: value))
        return true
    }

    /// Pads to a whole word and writes the length. The memory must have room for three more bytes.
    public func finish(_ output: inout OutputRawSpan) {
        while (output.byteCount - start) % 4 != 0, output.freeCapacity > 0 { output.append(0) }
        let words = (output.byteCount - start) / 4
        output.set(bigEndian: UInt16(truncatingIfNeeded: words), at: start - 2)
    }

    private func appendElementHeader(id: UInt8, count: Int, to output: inout OutputRawSpan) -> Bool {
        guard id != 0, count < 256, output.freeCapacity >= count + 2 else { return false }
        if isTwoByte {
            output.append(id)
            output.append(UInt8(truncatingIfNeeded: count))
        } else {
            guard !Self.needsTwoByteForm(id: id, count: count) else { return false }
            output.append(id << 4 | UInt8(truncatingIfNeeded: count - 1))
        }
        return true
    }
}
