import ICE
import Secure
import Wire

// Media from addresses that no check came from: the peer's own when a NAT gave it another port, and everybody's.

extension TransportEngine {
    /// Takes RTP or RTCP from a tuple that is not validated. It is dropped in any case; when it is the peer's newest, a
    /// check of ours asks whether the peer is there.
    func receivedStray(
        _ datagram: inout MutableRawSpan, _ kind: DatagramKind, on tuple: TransportTuple, at now: Instant, isTrial: Bool
    ) -> ReceivedDatagram {
        if !isTrial { drops.unvalidatedTuple &+= 1 }
        guard isConnected, ice.spendsTrial(on: tuple, at: now) else { return .stray }
        let isNewest = kind == .rtp ? srtpIn?.isNewest(&datagram) : srtcpIn?.isNewest(&datagram)
        guard isNewest == true, ice.strayMediaReceived(on: tuple, at: now) else { return .stray }
        post(.tupleAwaited(tuple))
        sendOwnChecks(at: now)
        return .stray
    }

    func sendOwnChecks(at now: Instant) {
        while let check = ice.nextOwnCheck(at: now, request: &response) {
            switch check {
            case .send(let tuple): response.withBytes { send($0, to: tuple) }
            case .givenUp(let tuple): post(.tupleRemoved(tuple))
            }
        }
    }

    func ownCheckAnswered(on tuple: TransportTuple, moved: Bool, evicted: TransportTuple?) {
        guard moved else { return post(.tupleRemoved(tuple)) }
        unheardPackets = 0
        if let evicted { post(.tupleRemoved(evicted)) }
        post(.tupleAdded(tuple))
        post(.selected(tuple))
    }
}
