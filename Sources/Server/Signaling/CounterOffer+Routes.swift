import HTTP
import Loop
import SDP
import Streams
import WebRTC
import Wire

extension WebRTCService {
    /// Offers a viewer what its own offer did not ask for (WHEP-2).
    ///
    /// - Parameter reason: why the viewer's own offer was of no use.
    func counterOffer(
        _ request: SignalingRequest, instead reason: String
    ) async throws(SignalingError) -> PendingCounterOffer {
        guard let entry = await directory.room(named: request.room.room) else {
            throw SignalingError(RoomError.nobodyPublishes)
        }
        let formats = await viewerFormats(of: entry.room)
        guard !formats.isEmpty else { throw SignalingError(RoomError.nobodyPublishes) }
        let draft = try Self.draft(publishing: false)
        let offer: CounterOffer
        do throws(NegotiationError) {
            offer = try CounterOffer(formats.map { AvailableTrack($0) }, with: answerParameters(draft, request))
        } catch {
            throw SignalingError(error)
        }
        let pending = PendingCounterOffer(
            offer: offer, draft: draft, request: request, entry: entry, formats: formats,
            ticket: try await admit(.viewer, request), reason: reason)
        guard await counterOffers.add(pending, at: MonotonicClock.now) else {
            await registry.abandon(pending.ticket)
            throw .full("too many counter-offers wait for an answer", retryAfterSeconds: 10)
        }
        return pending
    }

    /// Makes the session that a viewer's answer asks for. After an answer that cannot be used, another may come, so only
    /// what ends the counter-offer is told to the operator.
    func accept(_ answer: [UInt8], to id: String) async throws(SignalingError) -> WebRTCSession {
        guard let pending = await counterOffers.take(id) else { throw .notFound("there is no such session") }
        let negotiated: NegotiatedSession
        do throws(SignalingError) {
            negotiated = try Self.negotiate(answer, pending.offer)
        } catch {
            await counterOffers.putBack(pending)
            throw error
        }
        do throws(SignalingError) {
            let formats = await pending.entry.room.renditionFormats
            for format in pending.formats {
                guard formats.contains(where: { $0.isInterchangeable(with: format) }) else {
                    throw .conflict("the room has changed since the counter-offer; ask again", retryAfterSeconds: 1)
                }
            }
            let opened = try await openViewer(
                negotiated, pending.draft, pending.request, pending.entry, pending.formats, pending.ticket)
            await counterOffers.wasAnswered()
            return opened.session
        } catch {
            await registry.abandon(pending.ticket)
            refusals.refused(.viewer, in: pending.request.room.room, from: pending.request.remote, error)
            throw error
        }
    }

    private static func negotiate(
        _ answer: [UInt8], _ offer: CounterOffer
    ) throws(SignalingError) -> NegotiatedSession {
        let description: SessionDescription
        do throws(SDPError) {
            description = try SessionDescription(parsing: answer)
        } catch {
            if error.kind == .tooLarge { throw .tooLarge(error.description) }
            throw .malformed("the answer cannot be read: \(error)")
        }
        do throws(NegotiationError) {
            return try offer.accept(description)
        } catch {
            throw SignalingError(error)
        }
    }
}

extension SignalingRoutes {
    /// - Parameter reason: why the viewer's own offer was of no use.
    func counterOffer(_ request: SignalingRequest, instead reason: String) async -> HTTPResponse {
        do throws(SignalingError) {
            let pending = try await service.counterOffer(request, instead: reason)
            let location = location(room: request.room.room, .viewer, pending.id)
            return SignalingResponses.counterOffer(
                pending, location: location, links: settings().iceServerLinks + Self.extensionLinks(location))
        } catch {
            let told: SignalingError =
                switch error {
                // Without a counter-offer the client is told what was wrong with its offer.
                case .unmatched, .unacceptable, .malformed: .unmatched(reason)
                default: error
                }
            service.refusals.refused(.viewer, in: request.room.room, from: request.remote, told)
            return SignalingResponses.problem(told)
        }
    }

    /// Acts on the URL of a counter-offer: the viewer's answer by PATCH makes it a session, DELETE gives it up.
    func onCounterOffer(_ request: HTTPRequest) async -> HTTPResponse {
        let id = request.parameters["session"] ?? ""
        // It has no event streams below it yet.
        guard request.parameters["stream"] == nil, let pending = await service.counterOffers.offer(id),
            pending.request.room.room == request.parameters["room"],
            WebRTCSession.isOwned(pending.request.tokenDigest, by: tokenDigest(of: request))
        else { return unknownSession() }
        switch request.method {
        case .patch:
            guard request.hasContentType(SignalingResponses.sdpType) else {
                return .problem(
                    request.hasContentType(SignalingResponses.fragmentType) ? 409 : 415,
                    detail: "the counter-offer waits for its answer, as Content-Type: application/sdp")
            }
            do throws(SignalingError) {
                let session = try await service.accept(request.body, to: id)
                var response = HTTPResponse(status: 204)
                response.headers["ETag"] = session.entityTag
                return response
            } catch {
                return SignalingResponses.problem(error)
            }
        case .delete:
            guard let pending = await service.counterOffers.take(id) else { return unknownSession() }
            await service.registry.abandon(pending.ticket)
            // The viewer wanted to watch and does not, just as one that never answers.
            service.refusals.refused(
                .viewer, in: pending.request.room.room, from: pending.request.remote, .negotiationFailed,
                "\(pending.reason); the client gave the counter-offer up")
            return HTTPResponse(status: 200)
        case .post: return .problem(409, detail: "the counter-offer waits for its answer; nothing is sent before")
        default: return SignalingResponses.noContent()
        }
    }
}
