import ICE
import Secure
import WebRTC
import Wire

/// The random parts of a session, drawn before anything else of it exists.
struct SessionDraft: Sendable {
    let sessionID = WebRTCSession.newID()
    let entityTag = "\"\(WebRTCSession.urlSafe(SecureRandom.bytes(9)))\""
    let credentials: ICECredentials
    let ufragKey: UfragKey
    let descriptionID = SecureRandom.uint64() >> 2
    let canonicalName = WebRTCSession.urlSafe(SecureRandom.bytes(12))
    let controlSSRC = SessionDraft.ssrc()
    let audioSSRC: UInt32?
    let videoSSRC: UInt32?
    let videoRetransmissionSSRC: UInt32?

    /// - Parameter publishing: publishers are sent no media, so they need no sources.
    init?(publishing: Bool) {
        guard let credentials = ICECredentials(randomBytes: SecureRandom.bytes(ICECredentials.randomByteCount)),
            let key = UfragKey(credentials.ufrag)
        else { return nil }
        self.credentials = credentials
        ufragKey = key
        audioSSRC = publishing ? nil : Self.ssrc()
        videoSSRC = publishing ? nil : Self.ssrc()
        videoRetransmissionSSRC = publishing ? nil : Self.ssrc()
    }

    /// SSRC 0 stands for probes in WebRTC, so no stream gets it.
    private static func ssrc() -> UInt32 { max(1, SecureRandom.uint32()) }
}
