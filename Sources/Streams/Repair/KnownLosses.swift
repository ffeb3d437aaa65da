import RTP
import Wire

/// What a viewer is known to miss by its transport-wide feedback, whether or not it asks for it.
///
/// Requests get lost as packets do, and a browser gives a packet up after ten of them; it then stands still until it asks
/// for a keyframe, seconds later. What has been lost is therefore sent again without being asked for: the packet itself
/// when the viewer had the time to ask and did not, and a retransmission at once. Each report leads to one sending at most.
struct KnownLosses {
    /// More is left to the viewer's requests.
    static let limit = 256
    /// How long viewers take to ask, beyond a round trip.
    static let askingMilliseconds: UInt32 = 60
    /// The round trip of viewers of which none is known.
    static let usualRoundTripMilliseconds: UInt32 = 100

    private struct Loss {
        var number: Int64
        var wasRepair: Bool
    }

    private var losses: [Loss] = []

    var isEmpty: Bool { losses.isEmpty }

    mutating func lost(_ number: Int64, wasRepair: Bool) {
        if let index = losses.firstIndex(where: { $0.number == number }) {
            losses[index].wasRepair = wasRepair
        } else if losses.count < Self.limit {
            losses.append(Loss(number: number, wasRepair: wasRepair))
        }
    }

    /// The packet has come, or is sent again because it was asked for.
    mutating func forget(_ number: Int64) {
        if let index = losses.firstIndex(where: { $0.number == number }) { losses.remove(at: index) }
    }

    mutating func removeAll() { losses.removeAll(keepingCapacity: true) }

    /// The next packet that is to be sent again unasked, from `index` on, which moves up to it. It is forgotten, and so is
    /// what `packet` does not know any more.
    mutating func next(
        from index: inout Int, roundTripNanoseconds: UInt64, at now: Instant, _ packet: (Int64) -> PacketRecord?
    ) -> Int64? {
        let roundTrip =
            roundTripNanoseconds == 0
            ? Self.usualRoundTripMilliseconds : UInt32(clamping: roundTripNanoseconds / 1_000_000)
        while index < losses.count {
            let loss = losses[index]
            guard let record = packet(loss.number) else {
                losses.remove(at: index)
                continue
            }
            let wait = roundTrip &+ (loss.wasRepair ? 0 : Self.askingMilliseconds)
            guard record.millisecondsSinceSent(at: now) < wait else {
                losses.remove(at: index)
                return loss.number
            }
            index += 1
        }
        return nil
    }
}
