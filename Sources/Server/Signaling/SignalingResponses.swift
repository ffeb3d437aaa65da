import HTTP
import WebRTC
import Wire

/// The HTTP answers of WHIP and WHEP (RFC 9725, RFC 9457).
enum SignalingResponses {
    static let sdpType = "application/sdp"
    static let fragmentType = "application/trickle-ice-sdpfrag"

    static func problem(_ error: SignalingError) -> HTTPResponse {
        switch error {
        case .malformed(let detail): return .problem(400, detail: detail)
        case .unacceptable(let detail), .unmatched(let detail): return .problem(422, detail: detail)
        case .tooLarge(let detail): return .problem(413, detail: detail)
        case .notFound(let detail): return .problem(404, detail: detail)
        case .failed(let detail): return .problem(500, detail: detail)
        case .conflict(let detail, let seconds), .absent(let detail, let seconds):
            return retry(.problem(409, detail: detail), after: seconds)
        case .full(let detail, let seconds): return retry(.problem(503, detail: detail), after: seconds)
        }
    }

    static func retry(_ response: HTTPResponse, after seconds: Int?) -> HTTPResponse {
        guard let seconds else { return response }
        var response = response
        response.headers["Retry-After"] = String(seconds)
        return response
    }

    static func tooManyRequests(_ refusal: RequestLimits.Refusal) -> HTTPResponse {
        let (what, seconds) =
            switch refusal {
            case .address(let seconds): ("requests from this address (httpRequestsPerSecond)", seconds)
            case .token(let seconds): ("requests with this token (httpTokenRequestsPerSecond)", seconds)
            case .failedAuthorization(let seconds):
                ("wrong tokens from this address (httpFailedAuthorizationBurst)", seconds)
            }
        return retry(.problem(429, detail: "too many \(what); wait and try again"), after: seconds)
    }

    static func unauthorized() -> HTTPResponse {
        var response = HTTPResponse.problem(
            401, detail: "a valid token is needed: send it as 'Authorization: Bearer <token>'")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    }

    static func forbidden() -> HTTPResponse {
        .problem(403, detail: "the token is valid, but not for this room")
    }

    /// The answer about a session that ended without its client's asking.
    static func ended(_ end: PeerEnd) -> HTTPResponse {
        ProblemDetails(
            status: 410, detail: "the session has ended: \(end.detail)", reason: end.reason.rawValue
        ).response
    }

    /// The answer to a POST that made a session.
    static func created(_ answer: SignalingAnswer, location: String, status: Int, links: [String]) -> HTTPResponse {
        var response = HTTPResponse(status: status, contentType: sdpType, Array(answer.sdp.utf8))
        response.headers["Location"] = location
        response.headers["ETag"] = answer.session.entityTag
        response.headers["Accept-Patch"] = fragmentType
        response.headers["Cache-Control"] = "no-store"
        response.headers["ID"] = String(answer.session.description.id.value)
        for link in links { response.headers.add("Link", link) }
        return response
    }

    /// The answer to a viewer's POST whose offer had nothing of what the room has.
    static func counterOffer(_ counterOffer: PendingCounterOffer, location: String, links: [String]) -> HTTPResponse {
        var response = HTTPResponse(status: 406, contentType: sdpType, Array(counterOffer.offer.text.utf8))
        response.headers["Location"] = location
        response.headers["ETag"] = counterOffer.draft.entityTag
        response.headers["Accept-Patch"] = sdpType
        response.headers["Cache-Control"] = "no-store"
        for link in links { response.headers.add("Link", link) }
        return response
    }

    /// A 2xx without content, as RFC 9725 wants it for GET and HEAD.
    static func noContent() -> HTTPResponse { HTTPResponse(status: 204) }
}
