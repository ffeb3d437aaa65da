import Codecs
import SDP
import Wire

extension Negotiator {
    /// Every section that sends has to be usable, at most one of a kind; anything else is rejected with port 0.
    func acceptPublisher() throws(NegotiationError) -> [AcceptedSection] {
        var accepted: [AcceptedSection] = []
        for section in offer.sections where section.isOffered && section.direction.sends {
            guard let kind = section.kind else { continue }
            guard !accepted.contains(where: { $0.section.kind == kind }) else {
                let name = kind == .video ? "video" : "audio"
                throw .unacceptable("the offer sends \(name) twice; a publisher sends one video and one audio at most")
            }
            try requireTransport(of: section)
            guard
                let choice = CodecChoice.publishing(
                    section, preferences: parameters.codecPreferences, capabilities: capabilities)
            else {
                let taken = (parameters.codecPreferences ?? capabilities.codecs).filter(capabilities.codecs.contains)
                throw noCodecInCommon(section, taken: taken)
            }
            accepted.append(AcceptedSection(section: section, direction: .recvonly, choice: choice))
        }
        guard !accepted.isEmpty else {
            throw .unacceptable("the offer sends neither audio nor video (a=sendonly or a=sendrecv)")
        }
        return accepted
    }

    /// The first section of a kind that wants to receive gets the room's track of that kind.
    ///
    /// Video that the viewer cannot decode refuses the whole offer, because sound alone would look like a fault of
    /// the viewer's; audio that it cannot decode is left out.
    func acceptViewer(
        _ tracks: [AvailableTrack], _ notes: inout [String]
    ) throws(NegotiationError) -> [AcceptedSection] {
        var accepted: [AcceptedSection] = []
        var firstFailure: NegotiationError?
        for section in offer.sections where section.isOffered && section.direction.receives {
            guard let kind = section.kind else { continue }
            if accepted.contains(where: { $0.section.kind == kind }) {
                notes.append("rejected media section \(section.index + 1): one of each kind is enough to view a room")
                continue
            }
            try requireTransport(of: section)
            guard let track = tracks.first(where: { $0.codec.kind == kind }) else {
                guard
                    let idle = CodecChoice.publishing(section, preferences: nil, capabilities: capabilities)
                else { continue }
                accepted.append(AcceptedSection(section: section, direction: .inactive, choice: idle))
                continue
            }
            if let choice = CodecChoice.viewing(
                track, in: section, forcesH264Profile: parameters.forcesH264Profile)
            {
                accepted.append(AcceptedSection(section: section, direction: .sendonly, choice: choice))
            } else {
                let failure = cannotDecode(track, section)
                if kind == .video { throw failure }
                notes.append("left out audio: \(failure)")
                firstFailure = failure
            }
        }
        guard accepted.contains(where: { $0.direction == .sendonly }) else {
            throw firstFailure ?? nothingToView(tracks)
        }
        return accepted
    }

    private func cannotDecode(_ track: AvailableTrack, _ section: OfferedSection) -> NegotiationError {
        let kind = track.codec.kind == .video ? "video" : "audio"
        guard section.codecs.contains(where: { $0.codec == track.codec }) else {
            return .unmatched(
                "no \(kind) codec in common: the room has \(track.codec.rawValue), the offer has \(section.codecNames)")
        }
        return .unmatched(
            "the offer has \(track.codec.rawValue), but no profile of it that can play the room's \(kind)")
    }

    private func nothingToView(_ tracks: [AvailableTrack]) -> NegotiationError {
        let kinds = tracks.map { $0.codec.kind == .video ? "video" : "audio" }.joined(separator: " and ")
        return .unmatched(
            "the offer asks for nothing the room has: the room has \(kinds.isEmpty ? "no media" : kinds), and a viewer "
                + "asks for it with a=recvonly or a=sendrecv")
    }
}
