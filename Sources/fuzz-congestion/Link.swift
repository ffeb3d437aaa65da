import RTP
import TestKit
import Wire

/// A viewer's transport without ICE and encryption, as the server puts it together, that checks what goes out.
final class Link: PacketSink, @unchecked Sendable {
    static let numberID: UInt8 = 3

    let controller: CongestionController
    var now = Instant.seconds(1)
    /// The latest transport-wide number.
    private(set) var newest: UInt16 = 0
    private(set) var newestMedia: UInt16 = 0
    private(set) var mediaBytes = 0
    private(set) var repairBytes = 0
    private(set) var paddingBytes = 0
    private var packets: [UInt32: [UInt8]] = [:]

    init() {
        var configuration = CongestionController.Configuration()
        configuration.repairStream = RepairStream(
            ssrc: 44, payloadType: 101, firstSequenceNumber: 9,
            extensions: HeaderExtensionForwarding(
                viewer: HeaderExtensionMap([(.transportWideCC, Self.numberID)]), mid: []))
        controller = CongestionController(configuration)
    }

    func enqueue(
        _ packetClass: PacketClass, maximumSize: Int, _ write: @Sendable (inout OutputRawSpan) -> PacketSlots
    ) -> Bool {
        if packetClass == .retransmission, !controller.admitsRepair(byteCount: maximumSize, at: now) { return false }
        if controller.passes(packetClass, byteCount: maximumSize, at: now) {
            transmit(packetClass, maximumSize, write)
            return true
        }
        return controller.enqueue(packetClass, maximumSize: maximumSize, at: now, write)
    }

    private func transmit(
        _ packetClass: PacketClass, _ maximumSize: Int, _ write: (inout OutputRawSpan) -> PacketSlots
    ) {
        var slots = PacketSlots()
        let packet = [UInt8].written(capacity: maximumSize) { output in
            slots = write(&output)
            controller.stamp(packetClass, &output, slots, trailerSize: 16, at: now)
        }
        if let offset = slots.transportSequenceNumber {
            newest = UInt16(packet[offset]) << 8 | UInt16(packet[offset + 1])
        }
        switch packetClass {
        case .retransmission: repairBytes += packet.count
        case .padding: paddingBytes += packet.count
        case .audio, .video: mediaBytes += packet.count
        }
        guard let header = packet.withBytes({ try? RTPHeader(parsing: $0) }) else {
            preconditionFailure("what is sent can be read")
        }
        if packetClass == .video { newestMedia = header.sequenceNumber }
        // PROP-5: a number stands for one packet.
        let key = (header.ssrc & 0xFFFF) << 16 | UInt32(header.sequenceNumber)
        precondition(packets.updateValue(packet, forKey: key) == nil, "no number is used twice")
    }

    /// Lets what is due leave.
    func advance(to now: Instant) {
        self.now = now
        if let deadline = controller.nextDeadline, deadline <= now {
            controller.sendDue(at: now) { transmit($0, $1, $2) }
        }
    }

    func videoBitsPerSecond(at now: Instant) -> UInt64? { controller.videoBitsPerSecond(at: now) }
    func wantsVideo(bitsPerSecond: UInt64?) { controller.wantsVideo(bitsPerSecond: bitsPerSecond) }
    func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool {
        controller.admitsFrame(isKeyframe: isKeyframe, at: now)
    }
    func takesKeyframeRequest(at now: Instant) -> Bool { controller.takesKeyframeRequest(at: now) }
    func withdrawVideo() { controller.withdrawVideo() }
    func enqueueControl(_ packet: RawSpan) -> Bool { true }
}
