/// A Range field, as far as a live stream is concerned: it has one position, now.
public enum RTSPRange: Hashable, Sendable {
    /// `npt=now-`
    case now
    /// `npt=0-` and every other place in time; a live stream answers as if it began with the client.
    case position

    /// Never fails: ranges that a live stream does not have are passed over (RTSP-16).
    public init(_ text: String) {
        let value = text.trimmingBlanks.lowercased()
        self = value.hasPrefix("npt=now") ? .now : .position
    }

    public var text: String { self == .now ? "npt=now-" : "npt=0-" }
}
