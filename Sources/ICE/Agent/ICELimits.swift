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

    /// Checks of our own that wait for their answers at one time.
    public static let maximumOwnChecks = 2
    /// How often such a check is sent, and how long the first time waits for an answer; each later one waits twice as long
    /// as the one before. Given up after 1.5 s.
    public static let ownCheckTransmissions = 4
    /// Bytes of both user name fragments and their colon beyond which a peer is sent no checks, which carry them.
    public static let maximumOwnCheckUsername = 64
    public static let ownCheckMilliseconds: UInt64 = 100
    /// Checks of our own that a session begins at once and per second.
    public static let ownCheckBurst: UInt32 = 4
    public static let ownChecksPerSecond: UInt32 = 1
    /// Looks at media from unknown addresses, at once and per second: each costs a session one decryption.
    public static let trialBurst: UInt32 = 20
    public static let trialsPerSecond: UInt32 = 20
    /// RFC 8445, section 5.1.2.1: a peer-reflexive candidate, the highest local preference, component 1.
    static let peerReflexivePriority: UInt32 = 0x6EFF_FFFF

    /// - Parameter consentSeconds: clamped to 10–60.
    public init(consentSeconds: UInt64 = 15) { self.consentSeconds = Self.clamped(consentSeconds) }

    private static func clamped(_ seconds: UInt64) -> UInt64 { min(max(seconds, 10), 60) }
}
