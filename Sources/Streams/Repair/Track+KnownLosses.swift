public import RTP
public import Wire

/// Repair by what a viewer's transport-wide feedback says. On the room's loop, like all of the track.
extension Track {
    /// A viewer's feedback told of video: what it is known to miss and has not asked for in time is sent again.
    ///
    /// - Parameter roundTripNanoseconds: to the viewer; 0 when it is not known.
    public func heard(_ news: [VideoNews], of viewer: PeerID, roundTripNanoseconds: UInt64, at now: Instant) {
        guard let downTrack = downTrack(of: viewer) else { return }
        downTrack.heard(isReport: true, at: now)
        for packet in news { downTrack.heard(packet, at: now) }
        let before = downTrack.repairs
        var index = 0
        while let wanted = downTrack.unasked(from: &index, roundTripNanoseconds: roundTripNanoseconds, at: now) {
            sendAgain(wanted, to: downTrack, at: now)
        }
        afterRepairs(of: downTrack, since: before, at: now)
    }
}
