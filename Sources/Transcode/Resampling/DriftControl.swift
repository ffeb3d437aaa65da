/// Decides from each frame's timestamp what becomes of the difference between where the frame belongs and where it would
/// come to lie: nothing, a slow correction, silence before it, or another beginning.
///
/// Unit of all is a sample at 48 kHz.
struct DriftControl {
    enum Decision: Equatable {
        /// The frame follows; the sound is stretched by this ratio from now on.
        case follow(stretch: Double)
        /// So much silence comes first.
        case fill(Int)
        /// The frame lies in what has been put out already, and is left out.
        case skip
        /// The frame has nothing to do with what came before.
        case restart
    }

    /// A longer gap is not filled.
    static let maximumGap = 2.0 * 48_000
    /// A frame that lies further back is not one that is late.
    static let maximumOverlap = 1.0 * 48_000
    /// As fast as a difference is made up for: 17 cents of pitch.
    static let maximumStretch = 0.01
    /// What is not worth a correction: rounded timestamps.
    static let tolerance = 0.000_25 * 48_000
    /// How long a difference lasts at its own rate of correction. With half a second of smoothing before it the control is
    /// critically damped, and a clock that is wrong by 200 ppm leaves a difference of 0.4 ms.
    static let correctionTime = 2.0 * 48_000
    static let smoothingTime = 0.5 * 48_000
    /// From here on a difference is a gap or an overlap; see ``gapThreshold(_:)``.
    static let minimumGap = 0.008 * 48_000
    static let hardLimit = 0.040 * 48_000

    private var smoothed = 0.0

    /// A lost frame leaves a gap of a frame's duration, and an unsteady timestamp usually less.
    private static func gapThreshold(_ duration: Double) -> Double {
        min(max(0.75 * duration, minimumGap), hardLimit)
    }

    /// - Parameters:
    ///   - difference: positive when the frame belongs later than it would come to lie.
    ///   - duration: of the frame.
    mutating func decide(difference: Double, duration: Double) -> Decision {
        if difference > Self.maximumGap || difference < -Self.maximumOverlap { return .restart }
        if difference >= Self.gapThreshold(duration) {
            smoothed = 0
            return .fill(Int(difference.rounded()))
        }
        if difference <= -max(Self.hardLimit, 2 * duration) {
            smoothed = 0
            return .skip
        }
        smoothed += (difference - smoothed) * duration / (Self.smoothingTime + duration)
        guard abs(smoothed) > Self.tolerance else { return .follow(stretch: 0) }
        let stretch = smoothed / Self.correctionTime
        return .follow(stretch: min(max(stretch, -Self.maximumStretch), Self.maximumStretch))
    }
}
