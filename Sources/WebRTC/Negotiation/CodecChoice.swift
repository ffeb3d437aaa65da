import Codecs
import SDP

/// A payload type that was chosen, and what the answer says about it.
struct CodecChoice {
    var offered: OfferedCodec
    var answerParameters: FormatParameters
    var note: String?

    init(_ offered: OfferedCodec, _ answerParameters: FormatParameters, note: String? = nil) {
        self.offered = offered
        self.answerParameters = answerParameters
        self.note = note
    }
}

// MARK: Publishers

extension CodecChoice {
    /// Picks the one codec that a publisher shall send.
    ///
    /// The order is the publisher's unless `preferences` gives one. No H264 profile is refused, because senders
    /// announce what they do not send; fragmentation (mode 1) is preferred to single NAL units.
    static func publishing(
        _ section: OfferedSection, preferences: [Codec]?, capabilities: NegotiationCapabilities
    ) -> CodecChoice? {
        let usable = section.codecs.filter { offered in
            capabilities.codecs.contains(offered.codec) && offered.isReceivable
                && preferences?.contains(offered.codec) ?? true
        }
        let order = preferences ?? []
        let chosenCodec =
            order.first { codec in usable.contains { $0.codec == codec } } ?? usable.first?.codec
        let sameCodec = usable.filter { $0.codec == chosenCodec }
        let preferred = sameCodec.first { H264Format($0.parameters)?.packetizationMode == 1 }
        guard let offered = (chosenCodec == .h264 ? preferred : nil) ?? sameCodec.first else { return nil }
        return CodecChoice(offered, publisherParameters(offered))
    }

    private static func publisherParameters(_ offered: OfferedCodec) -> FormatParameters {
        var answer = offered.echoedParameters
        // A sender in stereo wants to hear that stereo is welcome, else browsers send mono.
        let isStereo = offered.parameters["stereo"] == "1" || offered.parameters["sprop-stereo"] == "1"
        if offered.codec == .opus, isStereo { answer["stereo"] = "1" }
        return answer
    }
}

// MARK: Viewers

extension CodecChoice {
    /// Picks the viewer's payload type that `track` can be sent as; nil when the viewer cannot decode it.
    static func viewing(
        _ track: AvailableTrack, in section: OfferedSection, forcesH264Profile: Bool
    ) -> CodecChoice? {
        let candidates = section.codecs.filter { $0.codec == track.codec }
        switch track.codec {
        case .h264: return h264(track, candidates, forcesProfile: forcesH264Profile)
        case .h265:
            guard let offered = candidates.first(where: { $0.matchesH265(track.parameters) }) else { return nil }
            var answer = offered.echoedParameters
            let level = min(offered.parameters.integer("level-id", 93), track.parameters.integer("level-id", 93))
            answer["level-id"] = String(level)
            return CodecChoice(offered, answer)
        case .vp9: return sameProfile(track, candidates, "profile-id")
        case .av1: return sameProfile(track, candidates, "profile")
        case .opus:
            guard let offered = candidates.first else { return nil }
            var answer = offered.echoedParameters
            if track.parameters["stereo"] == "1" || track.parameters["sprop-stereo"] == "1" {
                answer["stereo"] = "1"
                answer["sprop-stereo"] = "1"
            } else {
                answer["stereo"] = nil
            }
            return CodecChoice(offered, answer)
        case .otherAudio, .otherVideo: return nil
        case .vp8, .pcmu, .pcma, .g722: return candidates.first.map { CodecChoice($0, $0.echoedParameters) }
        }
    }

    private static func sameProfile(
        _ track: AvailableTrack, _ candidates: [OfferedCodec], _ name: String
    ) -> CodecChoice? {
        let profile = track.parameters.integer(name, 0)
        return candidates.first { $0.parameters.integer(name, 0) == profile }
            .map { CodecChoice($0, $0.echoedParameters) }
    }

    /// The same profile first, then one that includes it, then (if `forcesProfile`) constrained baseline or anything.
    private static func h264(
        _ track: AvailableTrack, _ candidates: [OfferedCodec], forcesProfile: Bool
    ) -> CodecChoice? {
        guard let stream = H264Format(track.parameters) else { return nil }
        let formats = candidates.compactMap { offered in H264Format(offered.parameters).map { (offered, $0) } }
            .filter { $0.1.canDepacketize(stream) }
        let matching =
            formats.first { $0.1.matches(stream) }
            ?? formats.first { $0.1.profile == stream.profile }
            ?? formats.first { $0.1.profile.decodes(stream.profile) }
        if let (offered, format) = matching { return h264(offered, format, stream, note: nil) }
        guard forcesProfile,
            let (offered, format) = formats.first(where: { $0.1.profile == .constrainedBaseline }) ?? formats.first
        else { return nil }
        return h264(
            offered, format, stream,
            note: "sending H264 \(stream.profile) to a viewer that offers only lower or other profiles")
    }

    private static func h264(
        _ offered: OfferedCodec, _ format: H264Format, _ stream: H264Format, note: String?
    ) -> CodecChoice {
        var answer = offered.echoedParameters
        answer["profile-level-id"] = format.profileLevelID(withLevelOf: stream)
        return CodecChoice(offered, answer, note: note)
    }
}

// MARK: Parameters

extension OfferedCodec {
    /// H265 in several RTP streams (RFC 7798 MRST, MRMT) is not taken.
    fileprivate var isReceivable: Bool {
        codec != .h265 || (parameters["tx-mode"] ?? "SRST").uppercased() == "SRST"
    }

    /// Profile and tier have to agree, the level does not (RFC 7798, section 7.2.2).
    fileprivate func matchesH265(_ stream: FormatParameters) -> Bool {
        isReceivable && parameters.integer("profile-id", 1) == stream.integer("profile-id", 1)
            && parameters.integer("tier-flag", 0) == stream.integer("tier-flag", 0)
    }

    /// The offered parameters that an answer repeats: those that configure the codec, not those that describe the
    /// sender or limit what it wants to receive.
    fileprivate var echoedParameters: FormatParameters {
        var echoed = FormatParameters()
        for name in codec.echoedParameterNames {
            guard let value = parameters[name], value.utf8.allSatisfy(Self.isPlain) else { continue }
            echoed[name] = value
        }
        return echoed
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }
}

extension Codec {
    fileprivate var echoedParameterNames: [String] {
        switch self {
        case .h264: ["level-asymmetry-allowed", "packetization-mode", "profile-level-id"]
        case .h265: ["profile-id", "tier-flag", "level-id", "tx-mode"]
        case .vp9: ["profile-id"]
        case .av1: ["level-idx", "profile", "tier"]
        case .opus:
            ["minptime", "maxplaybackrate", "maxaveragebitrate", "useinbandfec", "usedtx", "cbr", "stereo"]
        case .vp8, .pcmu, .pcma, .g722, .otherAudio, .otherVideo: []
        }
    }
}

extension FormatParameters {
    func integer(_ name: String, _ missing: Int) -> Int { self[name].map { Int($0) ?? -1 } ?? missing }
}
