/// The frames that one frame refers to, by how many frames back they are.
@frozen
public struct FrameReferences: Hashable, Sendable {
    /// Bit n stands for the frame n + 1 back.
    public private(set) var near: UInt64 = 0
    /// Whether there are references farther back than 64 frames.
    public private(set) var hasFar = false

    public init() {}

    public mutating func insert(_ difference: Int) {
        if (1...64).contains(difference) { near |= 1 << UInt64(difference - 1) } else { hasFar = true }
    }
}
