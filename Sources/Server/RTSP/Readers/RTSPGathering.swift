import Wire

/// When a run of packets goes to the readers of a track.
///
/// Each time costs a system call for each reader, so with many readers it waits for what is to come anyway: video for
/// the end of its frame, audio for the next video. With few readers nothing waits.
struct RTSPGathering {
    /// Fewer readers than this get everything at the end of the turn that brought it.
    static let readers = 8
    /// A frame that is sent more slowly goes out in parts.
    static let frameMilliseconds: UInt64 = 5
    /// Longer than the time between two frames at 30 a second is no use, and players buffer several times as much.
    static let audioMilliseconds: UInt64 = 30

    let kind: MediaKind
    var readerCount = 0
    /// Whether there are readers of the room's video, whose runs take audio along.
    var isAccompanied = false

    /// How long packets may wait after `packet`; nil when they are to go at the end of the turn.
    func patience(after packet: RawSpan) -> UInt64? {
        guard readerCount >= Self.readers else { return nil }
        switch kind {
        case .audio: return isAccompanied ? Self.audioMilliseconds : nil
        case .video:
            let isEndOfFrame = packet.byteCount > 1 && packet[1] & 0x80 != 0
            return isEndOfFrame ? nil : Self.frameMilliseconds
        }
    }
}
