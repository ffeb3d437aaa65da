import FuzzKit
import SDP
import Wire

/// Called with inputs libFuzzer keeps mutating towards unexplored branches. What parses has to survive being written.
func tryInput(_ input: RawSpan) {
    guard let session = try? SessionDescription(parsing: input) else { return }
    let written = session.bytes
    // Writing spells out what was left out or shortened, so it may be larger than what may be read.
    guard let again = try? SessionDescription(parsing: written) else {
        precondition(written.count > input.byteCount, "what was written cannot be read")
        return
    }
    precondition(again == session, "what was written reads differently")
    for media in session.media {
        for payloadType in media.payloadTypes {
            _ = media.rtpMap(for: payloadType)
            _ = media.parameters(for: payloadType).text
        }
    }
}

@main struct FuzzSDP {
    static func main() { fuzz(tryInput) }
}
