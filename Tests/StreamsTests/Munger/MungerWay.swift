import TestKit
import Wire

/// What a scene's packets and viewers go through.
enum MungerWay: String, CaseIterable {
    case clean, loss, disorder, lossAndDisorder, refusingLinks, disorderAndRefusingLinks

    var loses: Bool { self == .loss || self == .lossAndDisorder }
    var disorders: Bool { self == .disorder || self == .lossAndDisorder || self == .disorderAndRefusingLinks }
    var refuses: Bool { self == .refusingLinks || self == .disorderAndRefusingLinks }
}

/// The way from a publisher to the room: packets are lost one by one and in bursts, overtake each other inside a frame
/// and over several, come twice, and come when somebody has asked for them again.
struct MungerPath {
    struct Arrival {
        var due: Instant
        var order: Int
        var stream: MungerStream
        var index: Int
        var bytes: [UInt8]
        var generation: UInt32
    }

    /// Nothing comes later than this.
    static let longestDelay: UInt64 = 180_000

    let way: MungerWay
    private var underWay: [Arrival] = []
    private var order = 0
    private var lossLeft = 0

    init(_ way: MungerWay) { self.way = way }

    mutating func send(
        _ stream: MungerStream, _ index: Int, _ bytes: [UInt8], generation: UInt32, at sent: Instant,
        _ random: inout SplitMix64
    ) {
        if way.loses, lossLeft == 0, random.next() % 60 == 0 { lossLeft = 1 + Int(random.next() % 12) }
        let isLost = lossLeft > 0
        if isLost { lossLeft -= 1 }
        var delay = UInt64(1_000)
        if way.disorders {
            switch random.next() % 40 {
            case 0: delay += random.next() % Self.longestDelay
            case 1...6: delay += random.next() % 12_000
            default: break
            }
        }
        var delays = isLost ? [] : [delay]
        // Asked for again by the server; or doubled by the network.
        if isLost, way.disorders, random.next() % 2 == 0 { delays = [60_000 + random.next() % 60_000] }
        if way != .clean, way != .refusingLinks, random.next() % 20 == 0, !isLost {
            delays.append(delay + 500 + random.next() % (way.disorders ? 90_000 : 500))
        }
        for delay in delays {
            order += 1
            underWay.append(
                Arrival(
                    due: sent.advanced(byNanoseconds: delay * 1_000), order: order, stream: stream, index: index,
                    bytes: bytes, generation: generation))
        }
    }

    /// What has arrived by `now`, in order.
    mutating func arrived(by now: Instant) -> [Arrival] {
        let due = underWay.filter { $0.due <= now }
        guard !due.isEmpty else { return [] }
        underWay.removeAll { $0.due <= now }
        return due.sorted { ($0.due, $0.order) < ($1.due, $1.order) }
    }
}
