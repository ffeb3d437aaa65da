/// Keeps the frame numbers of the dependency descriptor going on over changes of source (RTP-30).
///
/// Frames left out keep their numbers, because references are differences of numbers.
struct FrameNumbering {
    private var offset: UInt16 = 0
    private var newest: UInt16?

    /// The next frame to be sent, a keyframe, is `number`.
    mutating func switchSource(at number: UInt16) {
        if let newest { offset = newest &+ 1 &- number }
    }

    mutating func rewrite(_ number: UInt16) -> UInt16 {
        let output = number &+ offset
        if newest.map({ Int16(bitPattern: output &- $0) > 0 }) ?? true { newest = output }
        return output
    }
}
