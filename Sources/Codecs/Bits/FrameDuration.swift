/// How long a frame is shown: `units / scale` seconds.
public struct FrameDuration: Hashable, Sendable {
    public var units: UInt64
    public var scale: UInt64

    /// nil unless it is more than nothing and no more than ten seconds.
    public init?(units: UInt64, scale: UInt64) {
        guard units > 0, scale > 0, units / scale < 10 else { return nil }
        self.units = units
        self.scale = scale
    }

    /// The thirtieth part of a second, for streams that do not tell.
    public static let usual = FrameDuration(units: 1, scale: 30, ())

    private init(units: UInt64, scale: UInt64, _: Void) {
        self.units = units
        self.scale = scale
    }

    /// In ticks of a clock, at least one.
    public func ticks(clockRate: UInt32) -> Int64 {
        let product = units.multipliedFullWidth(by: UInt64(clockRate))
        // The duration is below ten seconds, so the quotient fits.
        return Int64(clamping: max(1, scale.dividingFullWidth(product).quotient))
    }
}
