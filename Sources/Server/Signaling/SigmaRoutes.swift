import HTTP
import Streams
import Wire

/// SigmaMediaServer's routes: `POST /whip` makes a room with a number for a name, `POST /whep?target_id=` watches one
/// by that number or by its path.
struct SigmaRoutes: Sendable {
    let signaling: SignalingRoutes
    let list: RoomList
    let feed: RoomsFeed

    func add(to router: inout Router) {
        router.add(.post, "/whip", acceptPost: SignalingResponses.sdpType) { request in
            let name = await signaling.service.directory.unusedName()
            return await signaling.open(request, .publisher, roomName: name, createdStatus: 201)
        }
        router.add(.post, "/whep", acceptPost: SignalingResponses.sdpType) { await watch($0) }
        router.add(.options, "/whip") { request in
            await signaling.options(request, .publisher, roomName: await signaling.service.directory.unusedName())
        }
        router.add(.options, "/whep") { request in
            await signaling.options(request, .viewer, roomName: await roomName(request.query["target_id"] ?? ""))
        }
        for role in [PeerRole.publisher, .viewer] {
            router.add(.get, "/" + role.word) { signaling.probe($0, role) }
        }
        router.add(.get, "/rooms") { request in
            if let limited = signaling.limits.admit(from: request.remoteAddress) {
                return SignalingResponses.tooManyRequests(limited)
            }
            var response = HTTPResponse.json(await list.json())
            response.headers["Cache-Control"] = "no-store"
            return response
        }
        router.add(.get, "/notifications") { request in
            if let limited = signaling.limits.admit(from: request.remoteAddress) {
                return SignalingResponses.tooManyRequests(limited)
            }
            return .eventStream(await feed.subscribe(from: request.remoteAddress))
        }
    }

    private func watch(_ request: HTTPRequest) async -> HTTPResponse {
        guard let target = request.query["target_id"], !target.isEmpty else {
            return .problem(400, detail: "target_id is missing: it is the id or the path of the room to watch")
        }
        return await signaling.open(
            request, .viewer, roomName: await roomName(target), createdStatus: 200, idlePolicy: .notFound404)
    }

    /// The room a client means, which may say its path or its number.
    private func roomName(_ target: String) async -> String {
        let directory = signaling.service.directory
        if await directory.room(named: target) == nil, let number = UInt32(target),
            let entry = await directory.room(numericID: number)
        {
            return entry.room.name
        }
        return target
    }
}
