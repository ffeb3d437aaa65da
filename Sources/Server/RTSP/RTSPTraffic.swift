import Loop
import Streams

/// What the RTSP readers of this moment have been sent since they came.
public struct RTSPTraffic: Sendable, Hashable {
    /// Packets handed to readers, over all transports.
    public internal(set) var packets: UInt64 = 0
    /// Packets that slow readers lost, and datagrams that the kernel did not take.
    public internal(set) var discarded: UInt64 = 0
    /// System calls that sent something: on the readers' connections, and on the RTP and RTCP ports.
    public internal(set) var sendCalls: UInt64 = 0
    /// Datagram messages that the kernel cut into packets.
    public internal(set) var segmentedMessages: UInt64 = 0

    public init() {}
}

extension MartletServer {
    /// What RTSP readers have been sent; all zero while the server does not run.
    public var rtspTraffic: RTSPTraffic {
        get async { await running?.rtsp?.service.traffic ?? RTSPTraffic() }
    }
}

extension RTSPService {
    var traffic: RTSPTraffic {
        get async {
            var sum = RTSPTraffic()
            for entry in await directory.all {
                guard let readers = await entry.room.bridge(RTSPReaders.self) else { continue }
                let (statistics, sendCalls) = await readers.totals
                sum.packets &+= statistics.packets
                sum.discarded &+= statistics.discarded
                sum.sendCalls &+= sendCalls
            }
            guard let statistics = await datagrams?.sent else { return sum }
            sum.sendCalls &+= statistics.systemCalls
            sum.segmentedMessages = statistics.segmentedMessages
            sum.discarded &+= statistics.droppedQueueFull &+ statistics.droppedUnsendable
            return sum
        }
    }
}
