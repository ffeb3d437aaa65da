public import Loop

/// What went through the media port, over all loops.
public struct MediaTraffic: Sendable {
    public internal(set) var sent = DatagramSender.Statistics()
    public internal(set) var received = UDPReceiver.Statistics()
    /// Turns of the media loops; each waits for events once.
    public internal(set) var turns: UInt64 = 0

    public init() {}
}
