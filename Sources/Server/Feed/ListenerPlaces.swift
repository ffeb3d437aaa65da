import HTTP
import Secure

/// Places for clients that listen to server-sent events: so many in all and so many from one address (SSE-13). A value
/// for one owner, who takes a place before its first pause: many who come at once cannot pass the limits then.
struct ListenerPlaces {
    struct Limits: Sendable {
        var subscribers = 5_000
        /// A browser opens one per tab; an office shares one address.
        var subscribersPerAddress = 100
    }

    let limits: Limits
    private(set) var count = 0
    private(set) var refused: UInt64 = 0
    private var countByAddress: [ClientAddress: Int] = [:]

    init(_ limits: Limits = Limits()) { self.limits = limits }

    /// - Returns: false when there is no place left.
    mutating func take(_ address: ClientAddress) -> Bool {
        guard count < limits.subscribers, countByAddress[address, default: 0] < limits.subscribersPerAddress else {
            refused &+= 1
            return false
        }
        count += 1
        countByAddress[address, default: 0] += 1
        return true
    }

    mutating func giveBack(_ address: ClientAddress) {
        guard let taken = countByAddress[address] else { return }
        count -= 1
        countByAddress[address] = taken > 1 ? taken - 1 : nil
    }
}

/// When clients of event streams come back. Each is told another time, so that they do not all come at once (SSE-6).
enum ListenerRetry {
    /// First of all in a stream.
    static func beginning() -> [UInt8] { retry(2_000...5_000) }

    /// Last of all, when the server stops (SSE-17).
    static func farewell() -> [UInt8] { retry(2_000...7_000) }

    /// A short stream for a client for which there is no place: EventSource never comes back after an error (SSE-8).
    static func later() -> HTTPBodyStream {
        let stream = HTTPBodyStream()
        stream.send(ServerSentEvent.comment("too many clients listen at the moment; come back later"))
        stream.send(retry(10_000...20_000))
        stream.finish()
        return stream
    }

    private static func retry(_ milliseconds: ClosedRange<Int>) -> [UInt8] {
        ServerSentEvent.retry(
            milliseconds: milliseconds.lowerBound + Int(SecureRandom.uint32()) % milliseconds.count)
    }
}
