public import RTP
public import Wire

/// A viewer's transport without ICE and encryption: congestion control as it is in the server, and an emulated link
/// behind it. For one thread, like the loop it stands on.
public final class CongestedSink: PacketSink, @unchecked Sendable {
    /// Sixteen bytes of tag, as with AES-GCM.
    public static let trailerSize = 16

    public let controller: CongestionController
    public var link: EmulatedLink
    public private(set) var now: Instant
    /// Packets sent, by class.
    public private(set) var sent: [PacketClass: Int] = [:]
    /// Packets encrypted: content by SSRC and sequence number.
    public private(set) var encrypted: [UInt64: [UInt8]] = [:]
    /// Packets encrypted with other content under a number that was used before (PROP-5).
    public private(set) var reuses = 0
    /// Whether ``encrypted`` is kept.
    public var checksReuse = false

    public init(
        _ link: EmulatedLink, _ configuration: CongestionController.Configuration = .init(), startedAt now: Instant
    ) {
        self.link = link
        self.now = now
        controller = CongestionController(configuration)
    }

    public func enqueue(
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
            controller.stamp(packetClass, &output, slots, trailerSize: Self.trailerSize, at: now)
        }
        sent[packetClass, default: 0] += 1
        if checksReuse { noteEncrypted(packet) }
        let number = slots.transportSequenceNumber.map { UInt16(packet[$0]) << 8 | UInt16(packet[$0 + 1]) }
        link.send(
            packetClass, number: number, byteCount: packet.count + Self.trailerSize, head: Array(packet.prefix(64)),
            at: now)
    }

    private func noteEncrypted(_ packet: [UInt8]) {
        let key = packet.withBytes { bytes in
            UInt64(bytes.integer(at: 8, as: UInt32.self) ?? 0) << 16
                | UInt64(bytes.integer(at: 2, as: UInt16.self) ?? 0)
        }
        if let known = encrypted[key], known != packet { reuses += 1 }
        encrypted[key] = packet
    }

    /// Moves on to `now`: feedback comes, and what is due leaves.
    public func advance(to now: Instant) {
        self.now = now
        link.advance(to: now) { bytes in
            bytes.withBytes { span in
                var packets = RTCPIterator()
                while let packet = try? packets.next(in: span) {
                    if case .transportFeedback(let feedback) = packet {
                        controller.received(feedback, in: span, at: now)
                    }
                }
            }
        }
        if let deadline = controller.nextDeadline, deadline <= now {
            controller.sendDue(at: now) { transmit($0, $1, $2) }
        }
    }

    public func videoBitsPerSecond(at now: Instant) -> UInt64? { controller.videoBitsPerSecond(at: now) }
    public func wantsVideo(bitsPerSecond: UInt64?) {
        controller.wantsVideo(bitsPerSecond: bitsPerSecond)
    }
    public func admitsFrame(isKeyframe: Bool, at now: Instant) -> Bool {
        controller.admitsFrame(isKeyframe: isKeyframe, at: now)
    }
    public func withdrawVideo() { controller.withdrawVideo() }
    public func takesKeyframeRequest(at now: Instant) -> Bool { controller.takesKeyframeRequest(at: now) }
    public func enqueueControl(_ packet: RawSpan) -> Bool { true }
}
