import Codecs
import RTSP
import Streams
import Wire

/// Writes what a room's readers are told (RTSP-18): relative controls, no addresses, the publisher's own parameters.
enum RTSPDescriptionWriter {
    ///
    /// - Parameters:
    ///   - group: tells clients to ask for multicast, as VLC does on seeing such an address (RTSP-Q2).
    ///   - keyMessage: the server's keys of a track, when media is to be encrypted by itself.
    ///   - backChannel: by which a client that asked for it may speak.
    static func write(
        room: String, formats: [TrackFormat], version: UInt32, group: String? = nil,
        keyMessage: ((MediaKind) -> [UInt8])? = nil, backChannel: RTSPBackChannel? = nil
    ) -> [UInt8] {
        let connection = group.map { "\($0)/\(RTSPMulticastGroups.timeToLive)" } ?? "0.0.0.0"
        var lines = [
            "v=0", "o=- \(version) 1 IN IP4 127.0.0.1", "s=\(room)", "c=IN IP4 \(connection)", "t=0 0",
            "a=control:*", "a=range:npt=now-",
        ]
        let profile = keyMessage == nil ? "RTP/AVP" : "RTP/SAVP"
        for (index, format) in (formats + [backChannel?.format].compactMap { $0 }).enumerated() {
            // Directions are told from the client's side (ONVIF Streaming, section 5.3.1.1).
            let isBack = index == formats.count
            let payloadType = isBack ? backChannel?.payloadType ?? 0 : payloadType(of: format)
            lines.append("m=\(format.kind == .video ? "video" : "audio") 0 \(profile) \(payloadType)")
            let channels = format.kind == .audio ? channels(of: format) : ""
            lines.append("a=rtpmap:\(payloadType) \(format.encodingName)/\(format.clockRate)\(channels)")
            let parameters = parameters(of: format)
            if !parameters.isEmpty { lines.append("a=fmtp:\(payloadType) \(parameters)") }
            if let keyMessage {
                lines.append("a=key-mgmt:\(RTSPKeyManagement.attribute(keyMessage(format.kind)))")
            }
            if backChannel != nil { lines.append(isBack ? "a=sendonly" : "a=recvonly") }
            lines.append("a=control:\(RTSPTarget.control(ofTrack: index))")
        }
        return Array(lines.map { $0 + "\r\n" }.joined().utf8)
    }

    /// What readers get the format under; their packets are the same for all of them.
    static func payloadType(of format: TrackFormat) -> UInt8 {
        // Some players know these only by their static numbers (RFC 3551, tables 4 and 5).
        switch (format.encodingName.uppercased(), format.clockRate, format.channels) {
        case ("PCMU", 8_000, 1): 0
        case ("PCMA", 8_000, 1): 8
        case ("G722", 8_000, 1): 9
        case ("L16", 44_100, 2): 10
        case ("L16", 44_100, 1): 11
        case ("MPA", 90_000, _): 14
        case ("JPEG", 90_000, _): 26
        case ("MPV", 90_000, _): 32
        case ("MP2T", 90_000, _): 33
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
