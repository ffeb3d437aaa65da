import RTSP
import Wire

/// How one reader gets one track.
struct RTSPReaderOutput {
    enum Way {
        case connection(RTSPConnection, RTSPTransport.Channels)
    }

    let peerID: PeerID
    let way: Way

    /// Whether a reader that fell behind has caught up.
    var hasRoom: Bool {
        switch way {
        case .connection(let connection, _): connection.onLoop { $0.hasRoom }
        }
    }

    /// Sends RTCP; what does not fit is lost, the next report makes it good.
    func sendControl(_ compound: [UInt8]) {
        switch way {
        case .connection(let connection, let channels):
            guard let channel = channels.rtcp else { return }
            connection.onLoop { connection in
                compound.withBytes { _ = connection.send($0, channel: channel) }
            }
        }
    }
}
