import ICE
import Secure

/// What the benchmark's clients offer and read back: one H264 and one Opus stream, as browsers describe them.
enum SessionOffer {
    static let videoPayloadType: UInt8 = 102
    static let retransmissionPayloadType: UInt8 = 103
    static let audioPayloadType: UInt8 = 111
    static let midExtension: UInt8 = 4
    static let transportWideExtension: UInt8 = 3

    /// - Parameters:
    ///   - ssrcs: of audio and video, for a publisher; nil offers to receive.
    ///   - givesFeedback: whether transport-wide feedback is offered.
    static func text(
        credentials: ICECredentials, identity: DTLSIdentity, ssrcs: (audio: UInt32, video: UInt32)?,
        givesFeedback: Bool = true
    ) -> String {
        let fingerprint = CertificateFingerprint(algorithm: .sha256, bytes: identity.fingerprintSHA256)?.value ?? ""
        let direction = ssrcs == nil ? "recvonly" : "sendonly"
        func section(_ kind: String, _ payloadTypes: String, mid: Int, ssrc: UInt32?, _ lines: [String]) -> [String] {
            [
                "m=\(kind) 9 UDP/TLS/RTP/SAVPF \(payloadTypes)", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0",
                "a=ice-ufrag:\(credentials.ufrag)", "a=ice-pwd:\(credentials.password)", "a=ice-options:trickle",
                "a=fingerprint:sha-256 \(fingerprint)", "a=setup:active", "a=mid:\(mid)",
                "a=extmap:\(transportWideExtension) "
                    + "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
                "a=extmap:\(midExtension) urn:ietf:params:rtp-hdrext:sdes:mid",
                "a=\(direction)", "a=rtcp-mux", "a=rtcp-rsize",
            ] + lines + (ssrc.map { ["a=msid:bench bench-\(kind)", "a=ssrc:\($0) cname:bench"] } ?? [])
        }
        let lines =
            ["v=0", "o=- 4611731400430051336 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"]
            + section(
                "audio", "\(audioPayloadType)", mid: 0, ssrc: ssrcs?.audio,
                [
                    "a=rtpmap:\(audioPayloadType) opus/48000/2", "a=rtcp-fb:\(audioPayloadType) transport-cc",
                    "a=fmtp:\(audioPayloadType) minptime=10;useinbandfec=1",
                ])
            + section(
                "video", "\(videoPayloadType) \(retransmissionPayloadType)", mid: 1, ssrc: ssrcs?.video,
                [
                    "a=rtpmap:\(videoPayloadType) H264/90000", "a=rtcp-fb:\(videoPayloadType) transport-cc",
                    "a=rtcp-fb:\(videoPayloadType) ccm fir", "a=rtcp-fb:\(videoPayloadType) nack",
                    "a=rtcp-fb:\(videoPayloadType) nack pli",
                    "a=fmtp:\(videoPayloadType) level-asymmetry-allowed=1;packetization-mode=1;"
                        + "profile-level-id=42e01f",
                    "a=rtpmap:\(retransmissionPayloadType) rtx/90000",
                    "a=fmtp:\(retransmissionPayloadType) apt=\(videoPayloadType)",
                ])
        let offered = givesFeedback ? lines : lines.filter { !$0.contains("transport") }
        return offered.map { $0 + "\r\n" }.joined()
    }
}
