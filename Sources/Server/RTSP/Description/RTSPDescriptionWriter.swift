import Codecs
import RTSP
import Streams
import Wire

/// Writes what a room's readers are told (RTSP-18): relative controls, no addresses, the publisher's own parameters.
enum RTSPDescriptionWriter {
    static func write(room: String, formats: [TrackFormat], version: UInt32) -> [UInt8] {
        var lines = [
            "v=0", "o=- \(version) 1 IN IP4 127.0.0.1", "s=\(room)", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*",
            "a=range:npt=now-",
        ]
        for (index, format) in formats.enumerated() {
            let payloadType = payloadType(of: format)
            lines.append("m=\(format.kind == .video ? "video" : "audio") 0 RTP/AVP \(payloadType)")
            let channels = format.kind == .audio ? channels(of: format) : ""
            lines.append("a=rtpmap:\(payloadType) \(format.codec.rawValue)/\(format.codec.clockRate)\(channels)")
            let parameters = parameters(of: format)
            if !parameters.isEmpty { lines.append("a=fmtp:\(payloadType) \(parameters)") }
            lines.append("a=control:\(RTSPTarget.control(ofTrack: index))")
        }
        return Array(lines.map { $0 + "\r\n" }.joined().utf8)
    }

    /// What readers get the format under; their packets are the same for all of them.
    static func payloadType(of format: TrackFormat) -> UInt8 {
        switch format.codec {
        case .pcmu: 0
        case .pcma: 8
        case .g722: 9
        default: format.kind == .video ? 96 : 97
        }
    }

    private static func channels(of format: TrackFormat) -> String {
        if format.codec == .opus { return "/2" }
        return format.channels > 1 ? "/\(format.channels)" : ""
    }

    private static func parameters(of format: TrackFormat) -> String {
        var parameters = format.parameters
        if format.codec == .h264, format["packetization-mode"] == nil {
            parameters.insert(TrackFormat.Parameter(name: "packetization-mode", value: "1"), at: 0)
        }
        return parameters.map { $0.value.isEmpty ? $0.name : "\($0.name)=\($0.value)" }.joined(separator: "; ")
    }
}
