import HTTP
import ICE
import SDP
import WebRTC
import Wire

/// What an answer said of ICE, which a restart has to say again (RFC 9725, section 4.3.3).
struct AnsweredICE: Hashable, Sendable {
    var options: [String] = []
    var groups: [Group] = []
    /// The `m=` line that stands for the bundle, in the form of a pseudo line (RFC 8840, section 4.4).
    var mediaLine = "audio 9 UDP/TLS/RTP/SAVPF 0"
    var mid: String?

    init() {}

    init(_ negotiated: NegotiatedSession) {
        options = negotiated.answer.transport.iceOptions
        groups = negotiated.answer.groups
        // The section whose transport the bundle uses is the first of the group.
        guard let section = negotiated.sections.first else { return }
        mid = negotiated.answer.media.indices.contains(section.index) ? negotiated.answer.media[section.index].mid : nil
        mediaLine = "\(section.kind == .audio ? "audio" : "video") 9 UDP/TLS/RTP/SAVPF 0"
    }

    /// The answer to a restart.
    func fragment(_ credentials: ICECredentials, _ candidates: [ICECandidate]) -> TrickleFragment {
        var fragment = TrickleFragment()
        fragment.isICELite = true
        fragment.iceOptions = options
        fragment.groups = groups
        var section = TrickleFragment.Section(mediaLine: mediaLine, mid: mid)
        section.iceUfrag = credentials.ufrag
        section.icePassword = credentials.password
        section.candidates = candidates
        section.hasEndOfCandidates = true
        fragment.sections = [section]
        return fragment
    }
}

extension WebRTCSession {
    /// The entity tag of an ICE generation, the first being 0.
    func entityTag(of generation: UInt32) -> String {
        generation == 0 ? entityTag : "\(entityTag.dropLast()).\(generation)\""
    }
}

extension SignalingRoutes {
    /// Answers a fragment: candidates with 204, a restart with the server's new credentials (WHIP-21…30).
    func answer(_ fragment: TrickleFragment, _ request: HTTPRequest, _ session: WebRTCSession) async -> HTTPResponse {
        let credentials = fragment.credentials.map { ICECredentials(ufrag: $0.ufrag, password: $0.password) }
        var condition: (@Sendable (UInt32) -> Bool)?
        if let field = request.headers["If-Match"] {
            condition = { EntityTag.matchHolds(field, for: session.entityTag(of: $0)) }
        }
        switch await session.peer.transport.receive(fragmentOf: credentials, if: condition) {
        case .candidates:
            // A lite agent sends no checks, so it needs no candidates: the client's own checks show where it is.
            return HTTPResponse(status: 204)
        case .restarted(let local, let generation):
            // The client's first check may be on its way before this answer is read (ICE-Q7).
            await service.media.demultiplexer.settle()
            let candidates = service.offeredCandidates(for: request.remoteAddress, isForwarded: request.isForwarded)
            var response = HTTPResponse(
                status: 200, contentType: SignalingResponses.fragmentType,
                Array(session.ice.fragment(local, candidates).text.utf8))
            response.headers["ETag"] = session.entityTag(of: generation)
            response.headers["Cache-Control"] = "no-store"
            return response
        case .conditionFailed:
            return .problem(412, detail: "If-Match names another ICE generation than the session's")
        case .conditionMissing:
            return .problem(
                428, detail: "an ICE restart needs If-Match with the session's ETag, or \"*\" for whatever generation")
        case .gone: return unknownSession()
        case .withoutRandomNumbers: return .problem(500, detail: "no random numbers are to be had from the system")
        }
    }
}
