/// The bounds and times of an ``ICELiteAgent``.
public struct ICELimits: Hashable, Sendable {
    /// How long a path may stay silent before sending on it stops, in seconds (RFC 7675 allows 30).
    public var consentSeconds: UInt64 {
        didSet { consentSeconds = Self.clamped(consentSeconds) }
    }
    /// How long a session waits for its first path, in seconds.
    public var connectSeconds: UInt64 = 30
    /// How long a session whose consent was lost may recover, in seconds.
    public var graceSeconds: UInt64 = 15
    /// How many validated tuples are kept.
    public static let maximumTuples = 8
    /// Answers of 400 and 401 allowed at once and per second; they go to senders that proved nothing.
    public static let errorResponseBurst: UInt32 = 10
    public static let errorResponsesPerSecond: UInt32 = 5

    /// - Parameter consentSeconds: clamped to 10–60.
    public init(consentSeconds: UInt64 = 15) { self.consentSeconds = Self.clamped(consentSeconds) }

    private static func clamped(_ seconds: UInt64) -> UInt64 { min(max(seconds, 10), 60) }
}
