import Loop
import RTSP
import Streams
import Synchronization

/// All pushing to other servers: follows the rooms' publications and the settings (`forward`).
final class RTSPForwards: Sendable {
    private struct Key: Hashable {
        var room: String
        var target: ForwardTarget
    }

    private let service: RTSPService
    private let resolver = HostResolver()
    private let forwards = Mutex<[Key: RTSPForward]>([:])
    private let isStopped = Atomic<Bool>(false)

    init(service: RTSPService) { self.service = service }

    /// Begins to follow what happens.
    func follow(_ hub: EventHub) -> EventHub.Token {
        hub.subscribe { [weak self] record in
            switch record.event {
            case .publisherStarted, .publisherStopped, .publisherReplaced, .publisherSwitched, .roomClosed:
                guard let self, let room = record.event.room else { return }
                Task { await self.refresh(room) }
            default: break
            }
        }
    }

    /// Has the room pushed where the settings say, if somebody publishes there; ends what is no longer wanted.
    func refresh(_ room: String) async {
        let isLive = await service.directory.room(named: room)?.room.formats.isEmpty == false
        let wanted: Set<ForwardTarget> =
            isLive && !isStopped.load(ordering: .acquiring)
            ? Set(service.settings().room(named: room)?.path.forward ?? []) : []
        let (current, ended) = forwards.withLock { forwards in
            var ended: [RTSPForward] = []
            for (key, forward) in forwards where key.room == room && !wanted.contains(key.target) {
                ended.append(forward)
                forwards[key] = nil
            }
            let current = wanted.map { target in
                let key = Key(room: room, target: target)
                let forward =
                    forwards[key] ?? RTSPForward(target, room: room, service: service, resolver: resolver)
                forwards[key] = forward
                return forward
            }
            return (current, ended)
        }
        for forward in current { await forward.start() }
        for forward in ended { await forward.stop() }
    }

    /// What is pushed now, one sample for each target; their addresses may hold secrets and are numbers here.
    func attach(to registry: MetricsRegistry) {
        registry.collect { [self] in
            let all = forwards.withLock { Array($0.values) }
            var samples: [MetricSample] = []
            for (room, forwards) in Dictionary(grouping: all, by: \.room).sorted(by: { $0.key < $1.key }) {
                let ordered = forwards.sorted { $0.target.url.text < $1.target.url.text }
                for (index, forward) in ordered.enumerated() {
                    let labels = [
                        MetricLabel("id", String(index)), MetricLabel("path", room),
                        MetricLabel("protocol", forward.target.url.isSecure ? "rtsps" : "rtsp"),
                        MetricLabel("state", await forward.isSending ? "ready" : "notReady"),
                    ]
                    samples.append(MetricSample(1, labels: labels))
                }
            }
            return [
                MetricFamily(
                    name: "forward_dests", help: "Servers that rooms are pushed to, while somebody publishes.",
                    kind: .gauge, samples: samples)
            ]
        }
    }

    /// New settings: for the rooms that are live and those that are pushed.
    func apply() async {
        let live = await service.directory.all.map(\.room.name)
        let pushed = forwards.withLock { $0.keys.map(\.room) }
        for room in Set(live + pushed) { await refresh(room) }
    }

    func stop() async {
        isStopped.store(true, ordering: .releasing)
        let all = forwards.withLock { forwards in
            defer { forwards = [:] }
            return Array(forwards.values)
        }
        await withTaskGroup { group in
            for forward in all { group.addTask { await forward.stop() } }
        }
    }
}
