import Wire

/// Where the negotiated extensions of one packet lie, found in one pass and kept as a value without heap.
///
/// A track makes it once per packet and hands it to every viewer. When an extension appears twice the last one counts.
public struct HeaderExtensionIndex: Sendable {
    private var starts: InlineArray<16, UInt16>
    private var counts: InlineArray<16, UInt8>
    /// The extensions found, as bits by raw value.
    private(set) var present: UInt16

    /// Of a packet without extensions.
    public init() {
        starts = .init(repeating: 0)
        counts = .init(repeating: 0)
        present = 0
    }

    /// Finds the extensions of the packet in `datagram` by the ids its sender negotiated.
    public init(_ header: RTPHeader, in datagram: RawSpan, map: HeaderExtensionMap) {
        self.init()
        guard !header.extensionBlock.isEmpty else { return }
        var elements = HeaderExtensionIterator(header)
        while let element = elements.next(in: datagram) {
            guard let kind = map.kind(of: element.id), let start = UInt16(exactly: element.value.lowerBound) else {
                continue
            }
            let slot = Int(kind.rawValue)
            starts[slot] = start
            counts[slot] = UInt8(truncatingIfNeeded: element.value.count)
            present |= 1 << kind.rawValue
        }
    }

    public var isEmpty: Bool { present == 0 }

    public func contains(_ kind: HeaderExtension) -> Bool { present & 1 << kind.rawValue != 0 }

    /// Where the value of `kind` lies in the datagram; nil when the packet does not carry it.
    public subscript(kind: HeaderExtension) -> Range<Int>? {
        guard contains(kind) else { return nil }
        let start = Int(starts[Int(kind.rawValue)])
        return start..<start + Int(counts[Int(kind.rawValue)])
    }

    /// The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 2).
    public func transportSequenceNumber(in datagram: RawSpan) -> UInt16? {
        guard let value = self[.transportWideCC], value.count >= 2 else { return nil }
        return datagram.integer(at: value.lowerBound)
    }

    /// When the sender put the packet on the wire: 24 bits, seconds as 6.18 fixed point, wrapping every 64 s.
    public func absSendTime(in datagram: RawSpan) -> UInt32? {
        guard let value = self[.absSendTime], value.count == 3,
            let high = datagram.integer(at: value.lowerBound, as: UInt8.self),
            let low = datagram.integer(at: value.lowerBound + 1, as: UInt16.self)
        else { return nil }
        return UInt32(high) << 16 | UInt32(low)
    }

    /// When the first sample of the packet was captured: NTP time as 32.32 fixed point, in the sender's clock.
    public func absCaptureTime(in datagram: RawSpan) -> UInt64? {
        guard let value = self[.absCaptureTime], value.count >= 8 else { return nil }
        return datagram.integer(at: value.lowerBound)
    }

    /// What to add to the capture time for the clock of the sender's reports: signed 32.32 fixed point; 0 when not said.
    public func absCaptureClockOffset(in datagram: RawSpan) -> Int64 {
        guard let value = self[.absCaptureTime], value.count >= 16 else { return 0 }
        return datagram.integer(at: value.lowerBound + 8) ?? 0
    }

    /// Loudness in -dBov, 0 loudest and 127 silence, and whether the sender thinks it is voice (RFC 6464).
    public func audioLevel(in datagram: RawSpan) -> (level: UInt8, isVoice: Bool)? {
        guard let value = self[.audioLevel], value.count >= 1,
            let byte = datagram.integer(at: value.lowerBound, as: UInt8.self)
        else { return nil }
        return (byte & 0x7F, byte & 0x80 != 0)
    }
}
