import SDP

/// Parses `lines` after a minimal session part.
func parse(_ lines: String..., limits: SDPLimits = .standard) throws(SDPError) -> SessionDescription {
    let head = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
    let text = (head + lines).joined(separator: "\r\n") + "\r\n"
    return try SessionDescription(parsing: Array(text.utf8), limits: limits)
}

func parse(text: String, limits: SDPLimits = .standard) throws(SDPError) -> SessionDescription {
    try SessionDescription(parsing: Array(text.utf8), limits: limits)
}

let videoLine = "m=video 9 UDP/TLS/RTP/SAVPF 96"

/// The error of parsing `text`, nil when it parses.
func refusal(_ text: String, limits: SDPLimits = .standard) -> SDPError? {
    do throws(SDPError) {
        _ = try parse(text: text, limits: limits)
        return nil
    } catch {
        return error
    }
}
