import FuzzKit
import RTSP
import Wire

/// Called with inputs libFuzzer keeps mutating towards unexplored branches. The first byte chooses the header field,
/// or the message that carries keys.
func tryInput(_ input: RawSpan) {
    let bytes = input.array
    guard let first = bytes.first else { return }
    let text = String(decoding: bytes.dropFirst(), as: UTF8.self)
    guard first < 0xF0 else {
        if let message = try? MIKEYMessage(parsing: Array(bytes.dropFirst())) {
            let written = message.serialized(ntp: 0, random: [UInt8](repeating: 0, count: 16))
            precondition((try? MIKEYMessage(parsing: written)) == message)
        }
        _ = RTSPKeyManagement.keys(inField: text)
        return
    }
    switch first % 6 {
    case 0:
        for transport in (try? RTSPTransport.alternatives(text)) ?? [] {
            let again = try? RTSPTransport.alternatives(transport.text)
            precondition(again?.count ?? 1 <= 2)
        }
    case 1:
        let streams = RTPInfo.parse(text)
        precondition(streams.count <= 16)
        _ = RTPInfo.text(streams)
    case 2:
        if let credentials = RTSPCredentials(text) { precondition(credentials.user.utf8.count <= text.utf8.count * 3) }
    case 3: _ = RTSPChallenge.strongest(of: text.split(separator: "\n").map(String.init))
    case 4:
        if let session = RTSPSessionHeader(text) { precondition(RTSPSessionHeader(session.text) == session) }
    default:
        let target = RTSPTarget(url: text)
        precondition(!target.path.hasPrefix("/") || text.contains("%"))
        _ = RTSPTarget(url: text, controls: [text, "streamid=0"])
        if let url = RTSPURL(text) { _ = RTSPURL(url.text) }
    }
}

@main struct FuzzRTSPHeaders {
    static func main() { fuzz(tryInput) }
}
