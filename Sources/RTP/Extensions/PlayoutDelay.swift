/// How long a viewer is asked to hold video back before it shows it (the playout-delay header extension).
public struct PlayoutDelay: Hashable, Sendable {
    /// The longest that the extension can say.
    public static let longestMilliseconds = 40_950

    /// In units of 10 ms.
    public let least: UInt16
    public let most: UInt16

    /// nil when a bound is negative or too long, or the least more than the most. Rounded down to 10 ms.
    public init?(leastMilliseconds: Int, mostMilliseconds: Int) {
        guard 0 <= leastMilliseconds, leastMilliseconds <= mostMilliseconds,
            mostMilliseconds <= Self.longestMilliseconds
        else { return nil }
        least = UInt16(leastMilliseconds / 10)
        most = UInt16(mostMilliseconds / 10)
    }

    /// As the extension holds it: 12 bits each.
    public var bits: UInt32 { UInt32(least) << 12 | UInt32(most) }
}

/// Elements of the server's own that only some packets carry. A flat value, because it travels with every packet.
@frozen public struct HeaderExtensionInsertions: Hashable, Sendable {
    public static let none = HeaderExtensionInsertions()

    public var playoutDelay: UInt32?
    /// When the packet's media was captured: NTP time as 32.32 fixed point, on the server's clock.
    public var captureTime: UInt64?

    public init(playoutDelay: UInt32? = nil, captureTime: UInt64? = nil) {
        self.playoutDelay = playoutDelay
        self.captureTime = captureTime
    }
}
