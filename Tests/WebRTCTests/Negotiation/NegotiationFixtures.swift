import Codecs
import SDP
import Wire

@testable import WebRTC

/// What the tests put into every answer.
extension AnswerParameters {
    static var example: AnswerParameters {
        var parameters = AnswerParameters(
            iceUfrag: "martletUfrag", icePassword: "martletPasswordOf24Chars",
            fingerprintSHA256: Array(0..<32),
            candidates: ICECandidate.hostCandidates(for: [
                SocketAddress(ipv4: 0xC000_0201, port: 8189),
                SocketAddress(ipv6High: 0x2001_0DB8_0000_0000, low: 1, port: 8189),
            ]),
            sessionID: 7_000_000_001)
        parameters.audioSSRC = 11_111
        parameters.videoSSRC = 22_222
        parameters.videoRetransmissionSSRC = 33_333
        parameters.streamID = "cam1"
        parameters.cname = "room-cname"
        return parameters
    }
}

extension AvailableTrack {
    static let h264 = AvailableTrack(
        codec: .h264, parameters: FormatParameters("profile-level-id=42e028;packetization-mode=1"))
    static let vp8 = AvailableTrack(codec: .vp8)
    static let opus = AvailableTrack(codec: .opus, parameters: FormatParameters("stereo=1;useinbandfec=1"))
}

/// An offer built from parts, for tests that change one of them.
struct OfferText {
    var session = ["a=group:BUNDLE 0 1"]
    var transport = [
        "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass",
        "a=fingerprint:sha-256 " + Array(repeating: "AA", count: 32).joined(separator: ":"),
    ]
    var sections: [[String]] = [OfferText.audio, OfferText.video]

    static let audio = [
        "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=sendonly", "a=rtcp-mux", "a=rtpmap:111 opus/48000/2",
    ]
    static let video = [
        "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "a=sendonly", "a=rtcp-mux", "a=rtpmap:96 VP8/90000",
    ]

    /// The same with every section asking for media.
    static var viewer: OfferText {
        var offer = OfferText()
        offer.replace("a=sendonly", with: "a=recvonly")
        return offer
    }

    mutating func replace(_ line: String, with other: String) {
        sections = sections.map { $0.map { $0 == line ? other : $0 } }
    }

    mutating func remove(_ line: String) {
        sections = sections.map { $0.filter { $0 != line } }
        transport.removeAll { $0.hasPrefix(line) }
        session.removeAll { $0 == line }
    }

    var text: String {
        let lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"] + session + sections.flatMap { $0 + transport }
        return lines.map { $0 + "\r\n" }.joined()
    }

    func parsed() throws -> WebRTCOffer { try WebRTCOffer(SessionDescription(parsing: Array(text.utf8))) }

    func published(
        _ change: (inout AnswerParameters) -> Void = { _ in }
    ) throws -> NegotiatedSession {
        var parameters = AnswerParameters.example
        change(&parameters)
        return try parsed().negotiate(.publish, with: parameters)
    }

    func viewed(
        _ tracks: [AvailableTrack], _ change: (inout AnswerParameters) -> Void = { _ in }
    ) throws -> NegotiatedSession {
        var parameters = AnswerParameters.example
        change(&parameters)
        return try parsed().negotiate(.view(tracks), with: parameters)
    }
}

/// A video section with the given payload types: number, `a=rtpmap` value and `a=fmtp` text.
func videoSection(
    _ formats: [(Int, String, String?)], direction: String = "recvonly", mid: String = "1", extra: [String] = []
) -> [String] {
    let list = formats.map { String($0.0) }.joined(separator: " ")
    var lines = ["m=video 9 UDP/TLS/RTP/SAVPF \(list)", "a=mid:\(mid)", "a=\(direction)", "a=rtcp-mux"]
    for (payloadType, map, parameters) in formats {
        lines.append("a=rtpmap:\(payloadType) \(map)")
        if let parameters { lines.append("a=fmtp:\(payloadType) \(parameters)") }
    }
    return lines + extra
}
