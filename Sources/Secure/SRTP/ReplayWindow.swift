/// Which of the newest packet indices have been seen (RFC 3711, section 3.3.2): a ring of bits, one allocation.
struct ReplayWindow {
    enum Verdict { case fresh, repeated, tooOld }

    /// The greatest index seen.
    private(set) var highest: UInt64
    private let size: UInt64
    private var words: [UInt64]

    /// A window in which `first` is the only index seen. `size` is a multiple of 64.
    init(size: Int, first: UInt64) {
        self.size = UInt64(size)
        words = [UInt64](repeating: 0, count: size / 64)
        highest = first
        set(first)
    }

    func verdict(_ index: UInt64) -> Verdict {
        if index > highest { return .fresh }
        guard highest - index < size else { return .tooOld }
        return words[word(index)] & mask(index) == 0 ? .fresh : .repeated
    }

    /// Remembers `index`, whose verdict was `fresh`.
    mutating func insert(_ index: UInt64) {
        if index > highest {
            if index - highest >= size {
                for word in words.indices { words[word] = 0 }
            } else {
                // Slots between the old and the new front still hold indices one window older.
                var skipped = highest + 1
                while skipped < index {
                    words[word(skipped)] &= ~mask(skipped)
                    skipped += 1
                }
            }
            highest = index
        }
        set(index)
    }

    private mutating func set(_ index: UInt64) { words[word(index)] |= mask(index) }
    private func word(_ index: UInt64) -> Int { Int(index % size / 64) }
    private func mask(_ index: UInt64) -> UInt64 { 1 << (index % 64) }
}

/// Extends 16-bit sequence numbers to 48-bit packet indices.
enum SRTPPacketIndex {
    static let maximum: UInt64 = 1 << 48 - 1

    /// The index nearest to `highest` that ends in `sequenceNumber` (RFC 3711, section 3.3.1).
    ///
    /// Before half of the first cycle has passed there is no earlier cycle, so a number far ahead then counts as
    /// ahead; libsrtp decides the same.
    static func estimate(_ sequenceNumber: UInt16, after highest: UInt64) -> UInt64 {
        let last = UInt16(truncatingIfNeeded: highest)
        let cycle = highest >> 16
        let number = UInt64(sequenceNumber)
        if last < 0x8000 {
            let isEarlier = cycle > 0 && Int(sequenceNumber) - Int(last) > 0x8000
            return (isEarlier ? cycle - 1 : cycle) << 16 | number
        }
        return (last - 0x8000 > sequenceNumber ? cycle + 1 : cycle) << 16 | number
    }
}
