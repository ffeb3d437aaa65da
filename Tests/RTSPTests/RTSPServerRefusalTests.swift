import RTSP
import Synchronization
import Testing

/// What the machine refuses by itself, and tells its owner of.
@Suite struct RTSPServerRefusalTests {
    /// Ports that sessions of one address have.
    private final class Ports: Sendable {
        private let taken = Mutex<[RTSPPortPair]>([])

        func claim(_ ports: RTSPPortPair) -> String? {
            taken.withLock { taken in
                guard !taken.contains(ports) else { return "they are another's" }
                taken.append(ports)
                return nil
            }
        }
    }

    private func setUp(_ driver: MachineDriver, _ transport: String, track: Int = 0) -> Int? {
        driver.ask("SETUP rtsp://h/cam1/trackID=\(track)", "Transport: \(transport)")
    }

    /// RTSP-32: who asks for ports that another session has learns it before PLAY.
    @Test func portsOfAnotherSessionAreRefusedAtSetup() {
        let ports = Ports()
        let drivers = (0..<3).map { _ in MachineDriver { $0.claimPorts = { ports.claim($0) } } }
        let udp = "RTP/AVP;unicast;client_port=4000-4001"
        #expect(setUp(drivers[0], udp) == 200)
        #expect(setUp(drivers[1], udp) == 400)
        #expect(drivers[1].sent.last?.contains("they are another's") == true)
        #expect(drivers[1].session == nil)
        #expect(drivers[1].refusals == ["reader cam1 SETUP: they are another's"])
        #expect(setUp(drivers[1], "RTP/AVP;unicast;client_port=4002-4003") == 200)
        // A client that names something else too gets that.
        #expect(setUp(drivers[2], udp + ",RTP/AVP/TCP;unicast;interleaved=0-1") == 200)
        #expect(drivers[2].session?.delivery == .tcp)
        #expect(drivers[2].refusals.isEmpty)
    }

    @Test func publishersWhosePortsAreNotBelievedMayNameTheSame() {
        let ports = Ports()
        for comesFromAnyPort in [false, true, true] {
            let driver = MachineDriver { $0.claimPorts = { ports.claim($0) } }
            driver.grants = false
            _ = driver.ask("ANNOUNCE rtsp://h/cam1", "Content-Type: application/sdp", body: "v=0")
            driver.machine.announced(controls: ["streamid=0"], comesFromAnyPort: comesFromAnyPort)
            driver.run()
            let transport = "Transport: RTP/AVP;unicast;client_port=4000-4001;mode=record"
            #expect(driver.ask("SETUP rtsp://h/cam1/streamid=0", transport) == 200)
        }
    }

    @Test func sessionsThatCannotBeAreTold() {
        let driver = MachineDriver { $0.deliveries = [.tcp] }
        #expect(setUp(driver, "RTP/AVP;unicast;client_port=4000-4001") == 461)
        #expect(driver.refusals == ["reader cam1 SETUP: none of the transports is to be had here"])
        let publisher = MachineDriver()
        #expect(publisher.ask("ANNOUNCE rtsp://h/cam2", "Content-Type: text/html", body: "x") == 415)
        #expect(publisher.ask("ANNOUNCE rtsp://h/cam2", "Content-Type: application/sdp") == 400)
        #expect(
            publisher.refusals.count == 2 && publisher.refusals.allSatisfy { $0.hasPrefix("publisher cam2 ANNOUNCE: ") }
        )
        // What belongs to no session is nobody's failure.
        #expect(publisher.ask("PLAY rtsp://h/cam2", "Range: npt=0-") == 454)
        #expect(publisher.refusals.count == 2)
    }
}
