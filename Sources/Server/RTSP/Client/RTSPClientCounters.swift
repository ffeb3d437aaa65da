import Synchronization

/// What connections to other RTSP servers count together. Any thread.
final class RTSPClientCounters: Sendable {
    /// Connections begun to pull.
    let pullAttempts = Atomic<UInt64>(0)
    /// Of those, the ones that never brought media.
    let pullFailures = Atomic<UInt64>(0)
    /// Sources that went over to another transport because the first brought nothing.
    let fallbacks = Atomic<UInt64>(0)
    /// Datagrams that came to a source's ports from elsewhere, and were dropped.
    let foreignDatagrams = Atomic<UInt64>(0)
    /// Sources whose media comes now.
    let playing = Atomic<Int>(0)
    /// Viewers refused because there were enough sources of patterns.
    let sourcesRefused = Atomic<UInt64>(0)
    /// Connections begun to push.
    let pushAttempts = Atomic<UInt64>(0)
    /// Of those, the ones that were never let send.
    let pushFailures = Atomic<UInt64>(0)
    /// Targets that are being sent to now.
    let pushing = Atomic<Int>(0)
}
