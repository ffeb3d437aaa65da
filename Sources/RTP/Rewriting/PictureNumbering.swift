/// Continuous picture numbers over changes of source and pictures left out, in 15 bits.
///
/// All packets of a picture have its number; a picture is wholly forwarded or wholly left out.
struct PictureNumbering: Sendable {
    private static let mask: Int64 = 0x7FFF

    private var window = PacketWindow(after: 0)
    private var offset: Int64 = 0
    private var hasSource = false
    private var hasHighest = false
    private(set) var highestOutput: Int64

    /// `first` is the number of the first picture.
    init(first: UInt16) { highestOutput = Int64(first) & Self.mask - 1 }

    /// The next picture to come, `number`, follows the newest one given out.
    mutating func switchSource(at number: UInt16) {
        let first = Self.mask + 1 + Int64(number) & Self.mask
        window = PacketWindow(after: first - 1)
        offset = highestOutput + 1 - first
        hasSource = true
    }

    /// The number to send for picture `number`.
    mutating func rewrite(_ number: UInt16, bits: Int64) -> UInt16 {
        if !hasSource { switchSource(at: number) }
        let extended = extend(number, bits: bits)
        if extended > window.highest { window.advance(to: extended) }
        let isNewest = extended == window.highest
        let missing = isNewest || !window.covers(extended) ? 0 : window.droppedCount(after: extended)
        let output = extended + offset + missing
        highestOutput = max(highestOutput, output)
        return UInt16(truncatingIfNeeded: output & Self.mask)
    }

    /// Leaves out picture `number`, so that the next one takes its place, unless a later one has been sent.
    mutating func drop(_ number: UInt16, bits: Int64) {
        guard hasSource else { return }
        let extended = extend(number, bits: bits)
        if extended > window.highest { window.advance(to: extended) }
        guard window.covers(extended), !window.wasDropped(extended),
            extended + offset + window.droppedCount(after: extended) > highestOutput
        else { return }
        window.markDropped(extended)
        offset -= 1
    }

    /// The extended number nearest to the highest one.
    private func extend(_ number: UInt16, bits: Int64) -> Int64 {
        let modulus: Int64 = 1 << bits
        let distance = (Int64(number) - window.highest) & (modulus - 1)
        return window.highest + (distance >= modulus / 2 ? distance - modulus : distance)
    }
}
