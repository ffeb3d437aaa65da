import Loop
import RTSP
import Streams
import Synchronization

/// The sources of all rooms that are fed by the server itself.
final class RTSPSources: Sendable {
    /// What came of the wish for a room's media.
    enum Outcome: Sendable {
        /// Media comes, or somebody else is to publish it.
        case plays
        /// The source brought none in time.
        case isSilent
        /// There is no place for one more source of a pattern.
        case tooMany
    }

    private struct State {
        /// Of rooms that the settings name.
        var named: [String: RTSPSource] = [:]
        /// Of rooms whose names are their viewers' choice, while somebody needs them.
        var patterned: [String: RTSPSource] = [:]
        var isStopped = false
    }

    /// Sources of patterns at one time: each distinct name is a connection, and whoever may watch chooses the name.
    static let maximumPatterned = 128

    private let service: RTSPService
    private let resolver = HostResolver()
    private let maximumPatterned: Int
    private let state = Mutex(State())

    init(service: RTSPService, maximumPatterned: Int = RTSPSources.maximumPatterned) {
        self.service = service
        self.maximumPatterned = maximumPatterned
    }

    /// Starts the sources that always play, and ends those that the settings no longer have.
    func apply(_ settings: ServerSettings) async {
        var wanted: [String: RTSPSource] = [:]
        for entry in settings.paths {
            guard let name = entry.roomName, let room = settings.room(named: name), let url = room.path.source.rtspURL
            else { continue }
            let existing = state.withLock { $0.named[name] }
            wanted[name] =
                existing.flatMap { $0.settings.path.isSamePull(as: room.path) ? $0 : nil } ?? source(room, url)
        }
        let (started, ended) = state.withLock { state in
            guard !state.isStopped else { return ([RTSPSource](), [RTSPSource]()) }
            var ended = state.named.filter { wanted[$0.key] !== $0.value }.map(\.value)
            state.named = wanted
            for (name, source) in state.patterned {
                let room = settings.room(named: name)
                if wanted[name] == nil, room?.path.isSamePull(as: source.settings.path) == true { continue }
                state.patterned[name] = nil
                ended.append(source)
            }
            return (Array(wanted.values), ended)
        }
        for source in ended { await source.end() }
        for source in started where !source.settings.sourceOnDemand { await source.start() }
    }

    /// Has the room's source play, when it has one.
    func bring(_ room: RoomSettings) async -> Outcome {
        guard let url = room.path.source.rtspURL else { return .plays }
        while let source = place(room, url) {
            if let isThere = await source.bring() { return isThere ? .plays : .isSilent }
        }
        return .tooMany
    }

    /// The source of a room, made if need be; nil when there is no place for it.
    private func place(_ room: RoomSettings, _ url: RTSPURL) -> RTSPSource? {
        let isNamed = room.entry == room.room
        return state.withLock { state in
            if let known = state.named[room.room] ?? state.patterned[room.room] { return known }
            guard !state.isStopped, isNamed || state.patterned.count < maximumPatterned else {
                service.clientCounters.sourcesRefused.wrappingAdd(1, ordering: .relaxed)
                return nil
            }
            let new = isNamed ? source(room, url) : source(room, url) { [weak self] in self?.forget($0) }
            if isNamed { state.named[room.room] = new } else { state.patterned[room.room] = new }
            return new
        }
    }

    private func source(
        _ room: RoomSettings, _ url: RTSPURL, onIdle: (@Sendable (RTSPSource) -> Void)? = nil
    ) -> RTSPSource {
        RTSPSource(url, settings: room, service: service, resolver: resolver, onIdle: onIdle)
    }

    private func forget(_ source: RTSPSource) {
        let name = source.settings.room
        state.withLock { if $0.patterned[name] === source { $0.patterned[name] = nil } }
    }

    /// Sources of patterns that there are now.
    var patternedCount: Int { state.withLock { $0.patterned.count } }

    func stop() async {
        let all = state.withLock { state in
            defer { state = State(isStopped: true) }
            return Array(state.named.values) + Array(state.patterned.values)
        }
        await withTaskGroup { group in
            for source in all { group.addTask { await source.end() } }
        }
    }
}
