public import Codecs
public import SDP
public import Wire

/// A codec of an offer that this software knows.
public struct OfferedCodec: Hashable, Sendable {
    public var codec: Codec
    public var payloadType: UInt8
    public var clockRate: UInt32
    public var channels: UInt8?
    public var parameters: FormatParameters
    public var feedback: FeedbackMessages
    /// The first `rtx` payload type whose `apt` names this codec's (RFC 4588, section 8.6); nil without one.
    public var retransmissionPayloadType: UInt8?
}

/// A media section of an offer with session-level defaults filled in.
public struct OfferedSection: Hashable, Sendable {
    public var index: Int
    /// The index as text when the offer names none.
    public var mid: String
    /// nil for anything that is neither audio nor video.
    public var kind: MediaKind?
    public var direction: MediaDirection
    /// False for a section the client itself switched off: port 0 without `bundle-only` in a bundle.
    public var isOffered: Bool
    /// The position of its BUNDLE group among the groups; nil outside of any.
    public var bundle: Int?
    /// Known codecs in the order of the `m=` line.
    public var codecs: [OfferedCodec]
    public var extensions: [ExtensionMapping]
    public var extmapAllowMixed: Bool
    public var description: MediaDescription

    /// The codec names of the section for an error text, repair formats and doublets left out.
    var codecNames: String {
        var names: [String] = []
        for payloadType in description.payloadTypes {
            let name = description.rtpMap(for: payloadType)?.encodingName ?? "payload type \(payloadType)"
            let isAuxiliary = ["rtx", "red", "ulpfec", "flexfec-03", "cn", "telephone-event"].contains(
                name.lowercased())
            if !isAuxiliary, !names.contains(name) { names.append(name) }
        }
        if names.isEmpty { return "no codec" }
        return names.prefix(8).map { String($0.prefix(24)) }.joined(separator: ", ") + (names.count > 8 ? ", …" : "")
    }
}

extension OfferedCodec {
    static func all(in media: MediaDescription) -> [OfferedCodec] {
        media.payloadTypes.compactMap { payloadType in
            guard let map = media.rtpMap(for: payloadType), let codec = Codec(encodingName: map.encodingName),
                map.clockRate == codec.clockRate, codec.allowsChannels(map.channels)
            else { return nil }
            var feedback: FeedbackMessages = []
            for line in media.feedback where line.payloadType == nil || line.payloadType == payloadType {
                feedback.insert(FeedbackMessages(line.message))
            }
            let parameters = media.parameters(for: payloadType)
            guard codec != .h264 || H264Format(parameters) != nil else { return nil }
            return OfferedCodec(
                codec: codec, payloadType: payloadType, clockRate: map.clockRate, channels: map.channels,
                parameters: parameters, feedback: feedback,
                retransmissionPayloadType: media.retransmission(of: payloadType, clockRate: map.clockRate))
        }
    }
}

extension MediaDescription {
    /// The payload type that carries retransmissions of `payloadType`, itself no retransmission.
    fileprivate func retransmission(of payloadType: UInt8, clockRate: UInt32) -> UInt8? {
        payloadTypes.first { candidate in
            guard candidate != payloadType, let map = rtpMap(for: candidate), map.clockRate == clockRate else {
                return false
            }
            return map.encodingName.lowercased() == "rtx"
                && parameters(for: candidate)["apt"].flatMap({ UInt8($0) }) == payloadType
        }
    }
}

extension Codec {
    /// Opus is always `/2` (RFC 7587, section 7); GStreamer leaves it out when it only receives.
    fileprivate func allowsChannels(_ channels: UInt8?) -> Bool {
        self == .opus ? channels == 2 || channels == nil : channels == 1 || channels == nil
    }
}
