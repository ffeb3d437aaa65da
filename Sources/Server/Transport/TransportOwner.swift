import WebRTC
import Wire

/// The peer a transport belongs to: an actor on the same loop, which gets what the transport decrypts.
///
/// These are synchronous doors, called on that loop's thread only. Spans are valid during the call.
protocol TransportOwner: AnyObject, Sendable {
    func transportReceived(rtp packet: RawSpan, at now: Instant)
    func transportReceived(rtcp compound: RawSpan, at now: Instant)
    /// The handshake is done: media may flow.
    func transportConnected()
    /// The transport ended by itself or was closed; nothing comes after this.
    func transportClosed(_ reason: TransportCloseReason)
}
