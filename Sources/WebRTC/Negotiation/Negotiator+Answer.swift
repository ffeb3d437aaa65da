import Codecs
import SDP
import Wire

/// The answer: section i answers section i of the offer (RFC 3264, section 6).
extension Negotiator {
    func answer(_ sections: [NegotiatedSection], localRole: DTLSRole, mainMid: String) -> SessionDescription {
        var answer = SessionDescription()
        answer.origin = Origin(sessionID: parameters.sessionID, sessionVersion: parameters.sessionVersion)
        answer.isICELite = true
        answer.extmapAllowMixed = offer.description.extmapAllowMixed
        if offersTrickle { answer.transport.iceOptions = ["trickle"] }

        let mids = sections.filter { offer.sections[$0.index].bundle != nil }.map(\.mid)
        if let bundle = sections.first.flatMap({ offer.sections[$0.index].bundle }) {
            let accepted = offer.bundles[bundle].filter { mids.contains($0) }
            answer.groups = [Group(semantics: "BUNDLE", mids: accepted)]
        }
        answer.media = offer.sections.map { offered in
            guard let section = sections.first(where: { $0.index == offered.index }) else {
                return rejection(of: offered.description)
            }
            return media(section, offered, localRole: localRole, isMain: section.mid == mainMid)
        }
        return answer
    }

    private var offersTrickle: Bool {
        ([offer.description.transport] + offer.description.media.map(\.transport))
            .contains { $0.iceOptions.contains("trickle") }
    }

    /// Port 0, and the shortest format list that only repeats what was offered.
    private func rejection(of offered: MediaDescription) -> MediaDescription {
        var media = MediaDescription(media: offered.media, port: 0, proto: offered.proto)
        if media.isRTP {
            media.payloadTypes = [offered.payloadTypes.first ?? 0]
        } else {
            media.formats = [offered.formats.first ?? "0"]
        }
        media.connection = ConnectionAddress(address: "0.0.0.0")
        media.mid = offered.mid
        media.direction = .inactive
        return media
    }

    /// Credentials and fingerprint are repeated in every section, for clients that look only there; candidates stand
    /// in the section whose transport the bundle uses.
    private func media(
        _ section: NegotiatedSection, _ offered: OfferedSection, localRole: DTLSRole, isMain: Bool
    ) -> MediaDescription {
        let defaultCandidate = parameters.candidates.first { $0.transport == .udp }
        var media = MediaDescription(
            media: offered.description.media, port: defaultCandidate?.port ?? 9, proto: offered.description.proto)
        media.connection = ConnectionAddress(address: defaultCandidate?.address ?? "0.0.0.0")
        media.mid = offered.description.mid
        media.direction = section.direction
        media.transport.iceUfrag = parameters.iceUfrag
        media.transport.icePassword = parameters.icePassword
        media.transport.fingerprints = [Fingerprint(algorithm: "sha-256", bytes: parameters.fingerprintSHA256)]
        media.transport.setup = localRole == .client ? .active : .passive
        media.hasRTCPMux = true
        media.hasRTCPMuxOnly = offered.description.hasRTCPMuxOnly
        media.hasReducedSizeRTCP = section.reducedSizeRTCP
        media.extmapAllowMixed = offered.description.extmapAllowMixed
        media.extensionMappings = section.extensions
        if isMain {
            media.candidates = parameters.candidates
            media.hasEndOfCandidates = true
        }
        if isPublishing, section.kind == .video, let bitrate = parameters.maximumVideoBitrate {
            media.bandwidths = [
                Bandwidth(type: "AS", value: max(1, bitrate / 1000)), Bandwidth(type: "TIAS", value: bitrate),
            ]
        }
        addCodecs(section, to: &media)
        addSimulcast(section, to: &media)
        addSource(section, to: &media)
        return media
    }

    private func addCodecs(_ section: NegotiatedSection, to media: inout MediaDescription) {
        for codec in section.codecs {
            media.payloadTypes.append(codec.payloadType)
            media.rtpMaps.append(
                RTPMap(
                    payloadType: codec.payloadType, encodingName: codec.codec.rawValue, clockRate: codec.clockRate,
                    channels: codec.codec == .opus ? 2 : nil))
            for row in capabilities.feedback {
                let message = FeedbackMessages(row.message)
                guard !message.isEmpty, section.feedback.contains(message) else { continue }
                media.feedback.append(RTCPFeedback(payloadType: codec.payloadType, row.message))
            }
            if !codec.localParameters.isEmpty {
                media.formatParameters.append(
                    FormatParameterLine(payloadType: codec.payloadType, text: codec.localParameters.text))
            }
        }
        for codec in section.codecs {
            guard let retransmission = codec.retransmissionPayloadType else { continue }
            media.payloadTypes.append(retransmission)
            media.rtpMaps.append(
                RTPMap(payloadType: retransmission, encodingName: "rtx", clockRate: codec.clockRate))
            media.formatParameters.append(
                FormatParameterLine(payloadType: retransmission, text: "apt=\(codec.payloadType)"))
        }
    }

    private func addSimulcast(_ section: NegotiatedSection, to media: inout MediaDescription) {
        guard !section.simulcastLayers.isEmpty else { return }
        media.restrictionIdentifiers = section.simulcastLayers.map { RestrictionIdentifier(id: $0.rid, isSend: false) }
        media.simulcast = Simulcast(receive: section.simulcastLayers.map { [Simulcast.Stream(rid: $0.rid)] })
    }

    private func addSource(_ section: NegotiatedSection, to media: inout MediaDescription) {
        guard section.direction == .sendonly else { return }
        let track = section.kind == .video ? "video" : "audio"
        media.streamIdentifiers = [StreamIdentifier(stream: parameters.streamID, track: track)]
        guard let ssrc = section.localSSRC else { return }
        var sources = [ssrc]
        if let retransmission = section.localRetransmissionSSRC {
            sources.append(retransmission)
            media.sourceGroups = [SourceGroup(semantics: "FID", ssrcs: sources)]
        }
        media.sourceAttributes = sources.flatMap { source in
            [
                SourceAttribute(ssrc: source, name: "cname", value: parameters.cname),
                SourceAttribute(ssrc: source, name: "msid", value: "\(parameters.streamID) \(track)"),
            ]
        }
    }
}
