public import Wire

/// What one viewer's packets carry in their extension block: the server's own hop-by-hop extensions and those of
/// the publisher that go end to end, under the viewer's ids.
///
/// The order is fixed: transport-wide number, send time, MID, what is inserted, then the forwarded ones. The first two are written as
/// zeros, because the packet is numbered when it leaves; ``PacketSlots`` says where.
///
/// A flat value, because it travels with every packet: nothing in it is counted.
public struct HeaderExtensionForwarding: Sendable {
    private let map: HeaderExtensionMap
    private var mid = InlineArray<16, UInt8>(repeating: 0)
    private let midCount: Int
    private let ownTransportWideCC: UInt8?
    private let ownAbsSendTime: UInt8?
    private let ownMID: UInt8?
    private var ownPlayoutDelay: UInt8?
    private let ownCaptureTime: UInt8?
    /// A longer MID is not sent; browsers refuse it too, and the answer names each stream's SSRC anyway.
    public static let maximumMIDSize = 16
    static let playoutDelaySize = 3
    /// The capture time and the offset between the clocks of capture and sender.
    static let captureTimeSize = 16
    /// Bytes of the server's own elements at most.
    private let ownSize: Int
    private let ownNeedTwoByteForm: Bool
    /// The end-to-end extensions the viewer negotiated, as bits by raw value.
    private var forwarded: UInt16

    /// - Parameters:
    ///   - map: the viewer's ids. What is missing in it is not sent.
    ///   - mid: the viewer's MID of this stream, sent in every packet when the viewer negotiated it; may be empty.
    ///   - replacesPlayoutDelay: whether the server says how long to hold video back, rather than the publisher.
    public init(viewer map: HeaderExtensionMap, mid: [UInt8], replacesPlayoutDelay: Bool = false) {
        self.map = map
        midCount = mid.count <= Self.maximumMIDSize ? mid.count : 0
        for index in 0..<midCount { self.mid[index] = mid[index] }
        ownTransportWideCC = map[.transportWideCC]
        ownAbsSendTime = map[.absSendTime]
        ownMID = midCount == 0 ? nil : map[.mid]
        ownCaptureTime = map[.absCaptureTime]
        var forwarded: UInt16 = 0
        // A capture time is translated to the server's clock, never passed on as it is.
        for kind in HeaderExtension.allCases
        where map[kind] != nil && !kind.isHopByHop && kind != .absCaptureTime {
            forwarded |= 1 << kind.rawValue
        }
        self.forwarded = forwarded
        var size = 0
        var twoByte = false
        for (id, count) in [(ownTransportWideCC, 2), (ownAbsSendTime, 3), (ownMID, midCount)] {
            guard let id else { continue }
            size += 2 + count
            twoByte = twoByte || HeaderExtensionWriter.needsTwoByteForm(id: id, count: count)
        }
        ownSize = size
        ownNeedTwoByteForm = twoByte
        if replacesPlayoutDelay { replacePlayoutDelay() }
    }

    /// From now on the server says how long to hold video back, rather than the publisher.
    public mutating func replacePlayoutDelay() {
        ownPlayoutDelay = map[.playoutDelay]
        forwarded &= ~(1 << HeaderExtension.playoutDelay.rawValue)
    }

    /// Bytes that ``append(_:_:from:to:)`` writes at most for this packet; 0 when there is nothing to write and
    /// the header must not announce a block.
    public func maximumSize(
        _ index: HeaderExtensionIndex, _ insertions: HeaderExtensionInsertions = .none
    ) -> Int {
        var size = ownSize
        if ownPlayoutDelay != nil, insertions.playoutDelay != nil { size += 2 + Self.playoutDelaySize }
        if ownCaptureTime != nil, insertions.captureTime != nil { size += 2 + Self.captureTimeSize }
        var remaining = ExtensionSet(bits: index.present & forwarded)
        while let kind = remaining.popFirst() { size += 2 + (index[kind]?.count ?? 0) }
        return size == 0 ? 0 : HeaderExtensionWriter.headerSize + size + 3
    }

    /// Appends the block for the packet `datagram`, whose extensions are in `index`.
    ///
    /// `output` must hold what was written of this packet from its first byte on and have room for
    /// ``maximumSize(_:_:)``. Must not be called when that is 0.
    ///
    /// - Parameter frameNumber: written into the dependency descriptor, where there is one, in place of its own.
    public func append(
        _ index: HeaderExtensionIndex, _ insertions: HeaderExtensionInsertions = .none, from datagram: RawSpan,
        frameNumber: UInt16? = nil,
        to output: inout OutputRawSpan
    ) -> PacketSlots {
        var twoByte = ownNeedTwoByteForm
        let playoutDelay = insertions.playoutDelay == nil ? nil : ownPlayoutDelay
        let captureTime = insertions.captureTime == nil ? nil : ownCaptureTime
        if let playoutDelay {
            twoByte =
                twoByte || HeaderExtensionWriter.needsTwoByteForm(id: playoutDelay, count: Self.playoutDelaySize)
        }
        if let captureTime {
            twoByte = twoByte || HeaderExtensionWriter.needsTwoByteForm(id: captureTime, count: Self.captureTimeSize)
        }
        var remaining = ExtensionSet(bits: index.present & forwarded)
        while !twoByte, let kind = remaining.popFirst() {
            guard let value = index[kind], let id = map[kind] else { continue }
            twoByte = HeaderExtensionWriter.needsTwoByteForm(id: id, count: value.count)
        }
        let writer = HeaderExtensionWriter(twoByte: twoByte, to: &output)
        var slots = PacketSlots()
        if let ownTransportWideCC, writer.append(id: ownTransportWideCC, UInt16(0), to: &output) {
            slots.transportSequenceNumber = output.byteCount - 2
        }
        if let ownAbsSendTime, writer.append(id: ownAbsSendTime, uint24: 0, to: &output) {
            slots.absSendTime = output.byteCount - 3
        }
        if let ownMID {
            writer.append(id: ownMID, count: midCount, to: &output) { mid[$0] }
        }
        if let playoutDelay, let bits = insertions.playoutDelay {
            writer.append(id: playoutDelay, uint24: bits, to: &output)
        }
        if let captureTime, let ntp = insertions.captureTime {
            // The capture clock and the clock of the sender reports are one, so the offset between them is 0.
            writer.append(id: captureTime, UInt128(ntp) << 64, to: &output)
        }
        remaining = ExtensionSet(bits: index.present & forwarded)
        while let kind = remaining.popFirst() {
            guard let value = index[kind], let id = map[kind], value.upperBound <= datagram.byteCount else { continue }
            guard writer.append(id: id, datagram.extracting(value), to: &output) else { continue }
            if kind == .dependencyDescriptor, let frameNumber, value.count >= DependencyDescriptorReader.minimumSize {
                output.set(bigEndian: frameNumber, at: output.byteCount - value.count + 1)
            }
        }
        writer.finish(&output)
        return slots
    }
}

/// Extensions as bits, to walk a handful of them without allocation.
struct ExtensionSet {
    var bits: UInt16

    mutating func popFirst() -> HeaderExtension? {
        guard bits != 0 else { return nil }
        let index = UInt8(truncatingIfNeeded: bits.trailingZeroBitCount)
        bits &= bits - 1
        return HeaderExtension(rawValue: index)
    }
}
