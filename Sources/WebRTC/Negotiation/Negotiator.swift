import Codecs
import SDP
import Wire

extension WebRTCOffer {
    /// Decides what of the offer is taken and writes the answer.
    ///
    /// Pure: the same offer, role, parameters and capabilities give the same answer, byte for byte.
    public func negotiate(
        _ role: NegotiationRole, with parameters: AnswerParameters, capabilities: NegotiationCapabilities = .current
    ) throws(NegotiationError) -> NegotiatedSession {
        let negotiator = Negotiator(offer: self, role: role, parameters: parameters, capabilities: capabilities)
        return try negotiator.negotiate()
    }
}

/// A section that gets a place in the session.
struct AcceptedSection {
    var section: OfferedSection
    var direction: MediaDirection
    var choice: CodecChoice
}

struct Negotiator {
    let offer: WebRTCOffer
    let role: NegotiationRole
    let parameters: AnswerParameters
    let capabilities: NegotiationCapabilities

    var isPublishing: Bool { role == .publish }

    func negotiate() throws(NegotiationError) -> NegotiatedSession {
        var notes: [String] = []
        var accepted: [AcceptedSection] =
            switch role {
            case .publish: try acceptPublisher()
            case .view(let tracks): try acceptViewer(tracks, &notes)
            }
        accepted = try keepOneTransport(accepted, &notes)
        notes += accepted.compactMap(\.choice.note)
        let transport = try remoteTransport(of: accepted)
        let numbersPackets = numbersPackets(of: accepted)
        let sections = accepted.map { negotiatedSection($0, numbersPackets: numbersPackets) }
        return NegotiatedSession(
            remoteICEUfrag: transport.ufrag, remoteICEPassword: transport.password,
            remoteFingerprints: transport.fingerprints, remoteCandidates: transport.candidates,
            localDTLSRole: transport.localRole, sections: sections,
            answer: answer(sections, localRole: transport.localRole, mainMid: transport.mid), notes: notes)
    }

    // MARK: What any media section must have

    func requireTransport(of section: OfferedSection) throws(NegotiationError) {
        guard capabilities.transports.contains(section.description.proto.uppercased()) else {
            throw .unacceptable(
                "media section \(section.index + 1) is not WebRTC media: its protocol has to be UDP/TLS/RTP/SAVPF")
        }
        guard section.description.hasRTCPMux else {
            throw .unacceptable("media section \(section.index + 1) lacks a=rtcp-mux; RTP and RTCP share one port here")
        }
    }

    func noCodecInCommon(_ section: OfferedSection, taken: [Codec]) -> NegotiationError {
        let kind = section.kind == .video ? "video" : "audio"
        let names = taken.filter { $0.kind == section.kind }.map(\.rawValue).joined(separator: ", ")
        return .unacceptable(
            "no \(kind) codec in common: the offer has \(section.codecNames); "
                + "this server takes \(names.isEmpty ? "none" : names)")
    }

    // MARK: One transport

    /// Everything runs over one transport, so only sections of one BUNDLE group can be accepted together.
    private func keepOneTransport(
        _ accepted: [AcceptedSection], _ notes: inout [String]
    ) throws(NegotiationError) -> [AcceptedSection] {
        guard accepted.count > 1 else { return accepted }
        let sending = accepted.filter { $0.direction.sends || $0.direction.receives }
        guard let anchor = sending.first(where: { $0.section.kind == .video }) ?? sending.first ?? accepted.first else {
            return accepted
        }
        let kept = accepted.filter { entry in
            entry.section.index == anchor.section.index
                || entry.section.bundle != nil && entry.section.bundle == anchor.section.bundle
        }
        guard kept.count < accepted.count else { return kept }
        let reason = "audio and video need one BUNDLE group (bundle policy \"max-bundle\"): one transport carries both"
        if isPublishing { throw .unacceptable(reason) }
        notes.append("left out a media section: \(reason)")
        return kept
    }

    private struct RemoteTransport {
        var ufrag: String
        var password: String
        var fingerprints: [Fingerprint]
        var candidates: [ICECandidate]
        var localRole: DTLSRole
        /// Of the section whose transport it is.
        var mid: String
    }

    /// The transport of the first accepted section in BUNDLE order (RFC 9143, section 7.3.1), where the section's own
    /// attributes stand before those of the session.
    private func remoteTransport(of accepted: [AcceptedSection]) throws(NegotiationError) -> RemoteTransport {
        let mids = accepted.map(\.section.mid)
        let bundle = accepted.first?.section.bundle
        let mainMid = bundle.flatMap { index in offer.bundles[index].first { mids.contains($0) } } ?? mids.first
        guard let main = accepted.first(where: { $0.section.mid == mainMid })?.section else {
            throw .unacceptable("nothing in the offer can be accepted")
        }
        let session = offer.description.transport
        let own = main.description.transport
        var sources = [own, session]
        if let bundle {
            sources += offer.sections.filter { $0.bundle == bundle }.map(\.description.transport)
        }
        guard let ufrag = sources.lazy.compactMap(\.iceUfrag).first,
            let password = sources.lazy.compactMap(\.icePassword).first
        else { throw .unacceptable("the offer has no ICE credentials (a=ice-ufrag and a=ice-pwd)") }

        let fingerprints = sources.first { !$0.fingerprints.isEmpty }?.fingerprints ?? []
        guard !fingerprints.isEmpty else {
            throw .unacceptable("the offer has no a=fingerprint; media is accepted over DTLS-SRTP only")
        }
        let known = capabilities.fingerprintAlgorithms
        guard let strongest = known.first(where: { name in fingerprints.contains { $0.algorithm == name } }) else {
            throw .unacceptable("the offer's fingerprints are of none of the kinds \(known.joined(separator: ", "))")
        }
        let localRole: DTLSRole
        switch sources.lazy.compactMap(\.setup).first {
        case .actpass: localRole = parameters.preferredDTLSRole
        case .passive: localRole = .client
        // RFC 4145, section 4: an offer that says nothing is active.
        case .active, nil: localRole = .server
        case .holdconn: throw .unacceptable("the offer says a=setup:holdconn, which leaves no connection to set up")
        }
        return RemoteTransport(
            ufrag: ufrag, password: password, fingerprints: fingerprints.filter { $0.algorithm == strongest },
            candidates: Array(main.description.candidates.prefix(TrickleFragment.maximumCandidates)),
            localRole: localRole, mid: main.mid)
    }
}
