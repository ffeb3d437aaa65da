import Streams
import Wire

/// Which of a server's tracks are pulled: the first video and the first audio that are understood (RTSP-50, RTSP-Q7).
struct RTSPTrackChoice {
    private(set) var tracks: [RTSPAnnouncedMedia] = []
    /// The first track that the camera would hear, when it was asked for.
    private(set) var backChannel: RTSPAnnouncedMedia?
    /// What was left out and why, for the log.
    private(set) var remarks: [String] = []

    init(_ described: [RTSPAnnouncedMedia], takesBackChannel: Bool = false) {
        // Some cameras call all of their tracks send-only; one beside others that are not is what the camera would hear.
        let allSend = described.allSatisfy(\.isSendOnly)
        var kinds: Set<MediaKind> = []
        for item in described {
            guard let format = item.format else {
                remarks.append("a track of neither audio nor video, or without a format")
                continue
            }
            let name = (format.kind == .video ? "video track, " : "audio track, ") + format.encodingName
            if item.isSendOnly, !allSend {
                if takesBackChannel, backChannel == nil, format.kind == .audio {
                    backChannel = item
                    continue
                }
                remarks.append("a back channel, which is an \(name)")
            } else if kinds.insert(format.kind).inserted {
                tracks.append(item)
            } else {
                remarks.append("a further \(name)")
            }
        }
    }
}
