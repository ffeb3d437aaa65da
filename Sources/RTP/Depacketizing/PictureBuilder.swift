import Wire

/// The picture that is being put together, and when it is over.
///
/// A picture ends with the marker or where the timestamp changes, because some cameras set no markers (PAY-5). After a
/// loss nothing is given out before a payload that begins a picture.
struct PictureBuilder: Sendable {
    private let limits: DepacketizerLimits
    private var unit = AccessUnit(bytes: [], parts: [], timestamp: 0, isKeyframe: false)
    /// Where the part that is not complete begins.
    private var openPart: Int?
    private var isBegun = false
    private var isDamaged = false
    /// Nothing is known about what came before the next packet.
    private var hasLost = true
    private(set) var dropped: UInt64 = 0
    /// Whether the parts so far make a picture; parameter sets alone go to the picture that follows them.
    var hasPicture = false

    init(limits: DepacketizerLimits = .video) { self.limits = limits }

    /// Of the picture that was begun last.
    var timestamp: UInt32 { unit.timestamp }
    var hasOpenPart: Bool { openPart != nil }

    mutating func packetsLost() { hasLost = true }

    /// A packet with `timestamp` comes next: ends the picture before it.
    ///
    /// - Returns: whether the packet is of any use; `false` for the rest of a picture of which something is missing.
    mutating func turn(to timestamp: UInt32, startsPicture: Bool, into units: inout [AccessUnit]) -> Bool {
        if isBegun, unit.timestamp == timestamp {
            if hasLost { damage() }
            hasLost = false
            return !isDamaged
        }
        if hasLost || openPart != nil { damage() }
        if isBegun, !isDamaged, hasPicture { give(to: &units) }
        if isDamaged || !isBegun { clear() }
        isBegun = true
        unit.timestamp = timestamp
        isDamaged = hasLost && !startsPicture
        hasLost = false
        return !isDamaged
    }

    /// The packet was the picture's last one.
    mutating func end(into units: inout [AccessUnit]) {
        guard isBegun else { return }
        if openPart != nil { damage() }
        if !isDamaged { give(to: &units) }
        clear()
    }

    private mutating func give(to units: inout [AccessUnit]) {
        if !unit.parts.isEmpty { units.append(unit) }
        clear()
    }

    private mutating func clear() {
        unit.bytes = []
        unit.parts = []
        unit.isKeyframe = false
        unit.isRecoveryPoint = false
        openPart = nil
        isBegun = false
        isDamaged = false
        hasPicture = false
    }

    /// Something is wrong with the picture, and it will not be given out. Its memory is free at once.
    mutating func damage() {
        guard isBegun, !isDamaged else { return }
        if !unit.bytes.isEmpty { dropped &+= 1 }
        isDamaged = true
        unit.bytes = []
        unit.parts = []
        openPart = nil
    }

    mutating func isKeyframe() { unit.isKeyframe = true }
    mutating func isRecoveryPoint() { unit.isRecoveryPoint = true }

    // MARK: parts

    mutating func append(_ bytes: RawSpan) throws(DepacketizationError) {
        try beginPart()
        try extend(bytes)
        endPart()
    }

    mutating func beginPart() throws(DepacketizationError) {
        guard unit.parts.count < limits.parts else { throw .tooLarge }
        openPart = unit.bytes.count
    }

    mutating func extend(_ bytes: RawSpan) throws(DepacketizationError) {
        guard unit.bytes.count + bytes.byteCount <= limits.bytes else { throw .tooLarge }
        unit.bytes.append(contentsOf: bytes)
    }

    mutating func extend(_ byte: UInt8) throws(DepacketizationError) {
        guard unit.bytes.count < limits.bytes else { throw .tooLarge }
        unit.bytes.append(byte)
    }

    mutating func endPart() {
        guard let start = openPart else { return }
        openPart = nil
        if start < unit.bytes.count { unit.parts.append(start..<unit.bytes.count) }
    }

    /// Forgets the part that is not complete.
    mutating func dropPart() {
        guard let start = openPart else { return }
        openPart = nil
        unit.bytes.removeSubrange(start...)
    }

    /// Lends the part that is not complete for changing it.
    mutating func editOpenPart(
        _ body: (inout [UInt8]) throws(DepacketizationError) -> Void
    ) throws(DepacketizationError) {
        guard let start = openPart else { return }
        var part = Array(unit.bytes[start...])
        try body(&part)
        unit.bytes.replaceSubrange(start..., with: part)
    }

    /// The first bytes of the latest part.
    func partPrefix(_ count: Int) -> ArraySlice<UInt8> {
        let start = openPart ?? unit.parts.last?.lowerBound ?? unit.bytes.count
        return unit.bytes[start...].prefix(count)
    }

    /// Cuts the latest part at the start codes in it, which no NAL unit can hold (PAY-7), and lends each piece.
    mutating func splitAtStartCodes(_ body: (RawSpan) -> Void) throws(DepacketizationError) {
        guard let part = unit.parts.popLast() else { return }
        var found: [Range<Int>] = []
        unit.bytes.withBytes { bytes in StartCodes.split(bytes, within: part) { found.append($0) } }
        guard unit.parts.count + found.count <= limits.parts else { throw .tooLarge }
        unit.parts += found
        unit.bytes.withBytes { bytes in
            for range in found { body(bytes.extracting(range)) }
        }
    }
}
