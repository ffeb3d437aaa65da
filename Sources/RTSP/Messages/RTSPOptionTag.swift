/// What clients and servers may insist on beyond RTSP 1.0 (RFC 2326, section 12.32).
enum RTSPOptionTag {
    /// A description with the track by which the client speaks (ONVIF Streaming, section 5.3).
    static let backChannel = "www.onvif.org/ver20/backchannel"
}
