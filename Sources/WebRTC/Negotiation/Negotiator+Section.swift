import Codecs
import RTP
import SDP
import Wire

/// From an accepted section of the offer to what both sides agreed about it.
extension Negotiator {
    /// - Parameter numbersPackets: see ``numbersPackets(of:)``.
    func negotiatedSection(_ accepted: AcceptedSection, numbersPackets: Bool) -> NegotiatedSection {
        let section = accepted.section
        let media = section.description
        let offered = accepted.choice.offered
        let kind = offered.codec.kind
        let extensions = extensions(of: section, offered, numbersPackets: numbersPackets)
        let feedback = feedback(offered, extensions)
        let retransmission =
            feedback.contains(.nack) && capabilities.retransmitted.contains(kind)
            ? offered.retransmissionPayloadType : nil
        let codec = NegotiatedCodec(
            codec: offered.codec, payloadType: offered.payloadType, clockRate: offered.clockRate,
            channels: offered.channels, remoteParameters: offered.parameters,
            localParameters: accepted.choice.answerParameters, retransmissionPayloadType: retransmission)
        return NegotiatedSection(
            index: section.index, mid: section.mid, kind: kind, direction: accepted.direction, codecs: [codec],
            extensions: extensions, extmapAllowMixed: section.extmapAllowMixed, feedback: feedback,
            reducedSizeRTCP: media.hasReducedSizeRTCP,
            simulcastLayers: simulcastLayers(media, offered, extensions), remoteSSRCs: media.primarySSRCs,
            legacySimulcastSSRCs: media.sourceGroups.first { $0.semantics == "SIM" }?.ssrcs ?? [],
            remoteCNAME: media.sourceAttributes.first { $0.name == "cname" }?.value,
            remoteStream: media.announcedStream, parameterSets: offered.parameterSets,
            maximumBitrate: (media.bandwidths + offer.description.bandwidths).compactMap(\.bitsPerSecond).min(),
            localSSRC: accepted.direction == .sendonly
                ? (kind == .video ? parameters.videoSSRC : parameters.audioSSRC) : nil,
            localRetransmissionSSRC: accepted.direction == .sendonly && retransmission != nil
                ? parameters.videoRetransmissionSSRC : nil,
            remoteRetransmissionSSRCs: media.retransmissionSSRCs)
    }

    /// Whether the session's packets carry transport-wide numbers, where a section and this server know them.
    ///
    /// A viewer's feedback must cover its video: of audio alone it would tell of a link that carries no more than audio.
    /// And what is to be sent again byte for byte, because the viewer takes no retransmission stream, cannot carry what
    /// is new at each sending (SRTP-4, RTP-46).
    func numbersPackets(of accepted: [AcceptedSection]) -> Bool {
        guard !isPublishing else { return true }
        return accepted.allSatisfy { entry in
            let offered = entry.choice.offered
            guard entry.direction.sends, offered.codec.kind == .video else { return true }
            return takesTransportCC(offered) && !repairsSameStream(offered)
                && entry.section.extensions.contains {
                    $0.uri == ExtensionURI.transportWideCC && $0.direction?.receives ?? true
                }
        }
    }

    private func takesTransportCC(_ codec: OfferedCodec) -> Bool {
        codec.feedback.contains(.transportCC)
            && capabilities.feedback.contains {
                $0.message == .transportCC && $0.kinds.contains(codec.codec.kind)
                    && (isPublishing ? $0.fromPublishers : $0.toViewers)
            }
    }

    /// Whether a viewer gets lost packets again on the stream itself.
    private func repairsSameStream(_ codec: OfferedCodec) -> Bool {
        !isPublishing && codec.feedback.contains(.nack) && !acceptsRetransmission(codec)
            && capabilities.feedback.contains { $0.message == .nack && $0.kinds.contains(codec.codec.kind) }
    }

    private func acceptsRetransmission(_ codec: OfferedCodec) -> Bool {
        codec.feedback.contains(.nack) && codec.retransmissionPayloadType != nil
            && capabilities.retransmitted.contains(codec.codec.kind)
    }

    private func extensions(
        of section: OfferedSection, _ codec: OfferedCodec, numbersPackets: Bool
    ) -> [ExtensionMapping] {
        let kind = codec.codec.kind
        let acceptsTransportCC = numbersPackets && takesTransportCC(codec)
        let rows = capabilities.extensions.filter {
            $0.kinds.contains(kind) && (isPublishing ? $0.fromPublishers : $0.toViewers)
                && $0.codecs?.contains(codec.codec) ?? true
        }
        let usable = section.extensions.filter { mapping in
            guard rows.contains(where: { $0.uri == mapping.uri }) else { return false }
            // The element is written by whoever sends the media.
            guard let direction = mapping.direction else { return true }
            return isPublishing ? direction.sends : direction.receives
        }
        let hasTransportCC = acceptsTransportCC && usable.contains { $0.uri == ExtensionURI.transportWideCC }
        return usable.filter { mapping in
            switch mapping.uri {
            case ExtensionURI.transportWideCC: hasTransportCC
            case ExtensionURI.repairedRid: acceptsRetransmission(codec)
            case ExtensionURI.absSendTime where repairsSameStream(codec): false
            // A one-byte element holds 16 bytes.
            case ExtensionURI.mid: section.description.mid.map { $0.utf8.count <= 16 } ?? false
            default: !(hasTransportCC && rows.contains { $0.uri == mapping.uri && $0.isReplacedByTransportCC })
            }
        }.map { ExtensionMapping(id: $0.id, direction: $0.direction?.mirrored, uri: $0.uri) }
    }

    private func feedback(_ codec: OfferedCodec, _ extensions: [ExtensionMapping]) -> FeedbackMessages {
        let hasTransportCC = extensions.contains { $0.uri == ExtensionURI.transportWideCC }
        var agreed: FeedbackMessages = []
        for row in capabilities.feedback where row.kinds.contains(codec.codec.kind) {
            guard isPublishing ? row.fromPublishers : row.toViewers else { continue }
            let message = FeedbackMessages(row.message)
            guard !message.isEmpty, codec.feedback.contains(message) else { continue }
            if message == .transportCC, !hasTransportCC { continue }
            if message == .remb, hasTransportCC { continue }
            agreed.insert(message)
        }
        return agreed
    }

    /// Layers in the offered order, the first usable alternative of each (RFC 8853, section 5.3.2). Layers are told
    /// apart by the rid extension, so without it there is no simulcast.
    private func simulcastLayers(
        _ media: MediaDescription, _ codec: OfferedCodec, _ extensions: [ExtensionMapping]
    ) -> [Simulcast.Stream] {
        guard isPublishing, let simulcast = media.simulcast,
            extensions.contains(where: { $0.uri == ExtensionURI.rid })
        else { return [] }
        var layers: [Simulcast.Stream] = []
        for alternatives in simulcast.send {
            let usable = alternatives.first { stream in
                media.restrictionIdentifiers.contains {
                    $0.id == stream.rid && $0.isSend
                        && ($0.payloadTypes.isEmpty || $0.payloadTypes.contains(codec.payloadType))
                }
            }
            if let usable, !layers.contains(where: { $0.rid == usable.rid }) { layers.append(usable) }
        }
        return layers
    }
}

extension MediaDescription {
    /// Announced SSRCs in order, without those that a `FID` or `FEC-FR` group names after its first.
    var primarySSRCs: [UInt32] {
        let repairing = sourceGroups.filter { $0.semantics == "FID" || $0.semantics == "FEC-FR" }
            .flatMap { $0.ssrcs.dropFirst() }
        var primary: [UInt32] = []
        for ssrc in sourceAttributes.map(\.ssrc) + sourceGroups.flatMap(\.ssrcs)
        where !repairing.contains(ssrc) && !primary.contains(ssrc) {
            primary.append(ssrc)
        }
        return primary
    }

    /// By the SSRC that is repaired. Of several groups for one the first counts.
    var retransmissionSSRCs: [UInt32: UInt32] {
        var repairs: [UInt32: UInt32] = [:]
        for group in sourceGroups where group.semantics == "FID" && group.ssrcs.count == 2 {
            if repairs[group.ssrcs[0]] == nil { repairs[group.ssrcs[0]] = group.ssrcs[1] }
        }
        return repairs
    }

    /// `a=msid`, else the older `a=ssrc:… msid:`.
    var announcedStream: StreamIdentifier? {
        if let identifier = streamIdentifiers.first { return identifier }
        guard let value = sourceAttributes.first(where: { $0.name == "msid" })?.value else { return nil }
        let words = value.split(separator: " ", maxSplits: 1)
        guard let stream = words.first else { return nil }
        return StreamIdentifier(stream: String(stream), track: words.count > 1 ? String(words[1]) : nil)
    }
}

extension OfferedCodec {
    /// `sprop-parameter-sets` of H264, `sprop-vps`, `sprop-sps` and `sprop-pps` of H265; unreadable ones left out.
    fileprivate var parameterSets: [[UInt8]] { ParameterSets.announced(codec) { parameters[$0] } }
}
