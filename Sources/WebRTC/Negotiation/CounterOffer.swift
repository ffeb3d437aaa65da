import Codecs
public import SDP
import Wire

/// An offer of the server's own, for a viewer whose offer had nothing of what the room has (draft-ietf-wish-whep).
///
/// It is the answer to the offer that the viewer should have made, with the DTLS roles left for the viewer to choose.
public struct CounterOffer: Sendable {
    public let description: SessionDescription
    private let tracks: [AvailableTrack]
    private let parameters: AnswerParameters
    private let capabilities: NegotiationCapabilities

    public var text: String { description.text }

    /// - Parameters:
    ///   - tracks: what the room has, at most one of a kind.
    ///   - parameters: those of the session to be; the same are used for ``accept(_:)``.
    public init(
        _ tracks: [AvailableTrack], with parameters: AnswerParameters,
        capabilities: NegotiationCapabilities = .current
    ) throws(NegotiationError) {
        self.tracks = tracks
        self.parameters = parameters
        self.capabilities = capabilities
        let wanted = try WebRTCOffer(Self.idealOffer(tracks, capabilities))
        var offer = try wanted.negotiate(.view(tracks), with: parameters, capabilities: capabilities).answer
        for index in offer.media.indices {
            offer.media[index].transport.setup = .actpass
            offer.media[index].hasRTCPMuxOnly = true
        }
        description = offer
    }

    /// The session that the viewer's answer makes of the offer.
    public func accept(_ answer: SessionDescription) throws(NegotiationError) -> NegotiatedSession {
        guard answer.media.map({ $0.media.lowercased() }) == description.media.map(\.media) else {
            throw .malformed("the answer has other media sections than the counter-offer")
        }
        for (offered, answered) in zip(description.media, answer.media) where answered.port != 0 {
            guard answered.payloadTypes.allSatisfy({ offered.payloadTypes.contains($0) }) else {
                throw .malformed("the answer has payload types that the counter-offer has not")
            }
            guard
                answered.extensionMappings.allSatisfy({ mapping in
                    offered.extensionMappings.contains { $0.id == mapping.id && $0.uri == mapping.uri }
                })
            else { throw .malformed("the answer has header extensions that the counter-offer has not") }
        }
        let setups = ([answer.transport] + answer.media.map(\.transport)).compactMap(\.setup)
        guard !setups.contains(.actpass) else {
            throw .malformed("an answer chooses its DTLS role: a=setup:active or a=setup:passive")
        }
        // What a viewer's answer says is what its offer would have said.
        return try WebRTCOffer(answer).negotiate(.view(tracks), with: parameters, capabilities: capabilities)
    }

    /// The offer of a viewer that wants exactly these tracks and knows all that this server knows.
    private static func idealOffer(
        _ tracks: [AvailableTrack], _ capabilities: NegotiationCapabilities
    ) -> SessionDescription {
        var offer = SessionDescription()
        offer.extmapAllowMixed = true
        offer.transport.iceUfrag = "none"
        offer.transport.icePassword = "none"
        offer.transport.fingerprints = [Fingerprint(algorithm: "sha-256", bytes: Array(repeating: 0, count: 32))]
        offer.transport.setup = .active
        offer.transport.iceOptions = ["trickle"]
        offer.groups = [Group(semantics: "BUNDLE", mids: tracks.indices.map { String($0) })]
        var payloadType: UInt8 = 96
        for (index, track) in tracks.enumerated() {
            let kind = track.codec.kind
            var media = MediaDescription(
                media: kind == .video ? "video" : "audio", port: 9, proto: "UDP/TLS/RTP/SAVPF")
            media.mid = String(index)
            media.direction = .recvonly
            media.hasRTCPMux = true
            media.payloadTypes = [payloadType]
            media.rtpMaps = [
                RTPMap(
                    payloadType: payloadType, encodingName: track.codec.rawValue, clockRate: track.codec.clockRate,
                    channels: track.codec == .opus ? 2 : nil)
            ]
            if !track.parameters.isEmpty {
                media.formatParameters = [
                    FormatParameterLine(payloadType: payloadType, text: track.parameters.text)
                ]
            }
            media.feedback = capabilities.feedback.filter { $0.kinds.contains(kind) }
                .map { RTCPFeedback(payloadType: payloadType, $0.message) }
            if capabilities.retransmitted.contains(kind) {
                media.payloadTypes.append(payloadType + 1)
                media.rtpMaps.append(
                    RTPMap(payloadType: payloadType + 1, encodingName: "rtx", clockRate: track.codec.clockRate))
                media.formatParameters.append(
                    FormatParameterLine(payloadType: payloadType + 1, text: "apt=\(payloadType)"))
            }
            media.extensionMappings = capabilities.extensions.enumerated().filter { $1.kinds.contains(kind) }
                .map { ExtensionMapping(id: UInt16($0 < 14 ? $0 + 1 : $0 + 2), uri: $1.uri) }
            payloadType += 2
            offer.media.append(media)
        }
        return offer
    }
}
