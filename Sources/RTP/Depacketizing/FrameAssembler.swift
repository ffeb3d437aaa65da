public import Wire

/// Turns the packets of one stream into access units, whatever order they come in.
///
/// A packet that is missing is waited for until so many others, or so much time, have gone by; then what it belonged to
/// is given up. Nothing here is for the packet path: it exists only as long as somebody takes frames.
public struct FrameAssembler: Sendable {
    /// An access unit with its place in time.
    public struct Frame: Hashable, Sendable {
        public var unit: AccessUnit
        /// When it is shown, in ticks of the RTP clock without wraps.
        public var presentationTime: Int64
        /// When it is decoded: later than the frame before, and not later than it is shown. nil where the stream does not
        /// tell its order in a way that is read (``Statistics/isOrderUnknown``).
        public var decodingTime: Int64?
        /// The times have nothing to do with those of the frame before: it is the first, another source began, or the
        /// timestamps jumped.
        public var startsEpoch: Bool
        /// When its last packet came.
        public var arrival: Instant
        /// When it was captured, as far as its publisher tells (PAY-60); else when it came.
        public var captureTime: Instant
    }

    public struct Limits: Hashable, Sendable {
        /// Packets that wait for one that is missing, and their bytes.
        public var packets = 128
        public var bytes = 1 << 20
        public var milliseconds: Int64 = 200

        public init() {}
    }

    public struct Statistics: Hashable, Sendable {
        public var packets: UInt64 = 0
        public var frames: UInt64 = 0
        /// Access units that were begun and not given out.
        public var droppedFrames: UInt64 = 0
        /// Payloads that could not be read.
        public var malformed: UInt64 = 0
        /// Numbers that never came, or came too late.
        public var lost: UInt64 = 0
        public var late: UInt64 = 0
        public var duplicates: UInt64 = 0
        /// Frames that are shown later than their timestamps say, because those were equal or went back.
        public var movedTimes: UInt64 = 0
        /// Frames whose timestamps contradict the order that the stream itself tells.
        public var misordered: UInt64 = 0
        /// The stream tells its order in a way that is not read: frames have no decoding times.
        public var isOrderUnknown = false
    }

    private struct Waiting: Sendable {
        var number: Int64
        var timestamp: UInt32
        var marker: Bool
        var payload: [UInt8]
        var arrival: Instant
        var captured: Instant
    }

    private let limits: Limits
    private var depacketizer: any Depacketizer
    private var numbers = SequenceUnwrapper()
    private var timestamps = TimestampUnwrapper()
    private var times: DecodingTimes
    private let clockRate: UInt32
    private var source: UInt32?
    /// The number that comes next; nil before the first.
    private var expected: Int64?
    /// Packets that came before one that is missing, by number.
    private var waiting: [Waiting] = []
    private var waitingBytes = 0
    private var units: [AccessUnit] = []
    private var counted = Statistics()

    /// A larger step back is a source that began anew.
    private static let largestStepBack: Int64 = 3_000

    public init(_ description: PayloadDescription, limits: Limits = Limits()) {
        depacketizer = description.makeDepacketizer()
        times = DecodingTimes(description)
        clockRate = description.clockRate
        self.limits = limits
    }

    public var statistics: Statistics {
        var statistics = counted
        statistics.droppedFrames = depacketizer.droppedUnits
        statistics.movedTimes = times.moved
        statistics.misordered = times.misordered
        statistics.isOrderUnknown = times.isRefused
        return statistics
    }

    /// Takes a packet.
    ///
    /// - Parameters:
    ///   - captured: what the publisher's clock says of the packet's timestamp; nil where nobody asks it.
    ///   - body: is given each frame that is complete now.
    public mutating func receive(
        _ packet: RawSpan, header: RTPHeader, at now: Instant, captured: Instant? = nil, _ body: (Frame) -> Void
    ) {
        let captured = captured ?? now
        counted.packets &+= 1
        if source != header.ssrc {
            giveUpWaiting(body)
            if source != nil { depacketizer.packetsLost() }
            source = header.ssrc
            numbers = SequenceUnwrapper()
            timestamps = TimestampUnwrapper()
            times.restart()
            expected = nil
        }
        let number = numbers.unwrap(header.sequenceNumber)
        let next = expected ?? number
        let payload = packet.extracting(header.payload)
        if number == next {
            expected = number + 1
            take(payload, header.timestamp, header.marker, now, captured, body)
            takeWaiting(body)
        } else if number < next {
            guard next - number > Self.largestStepBack else {
                counted.late &+= 1
                return
            }
            giveUpWaiting(body)
            restart(at: number)
            take(payload, header.timestamp, header.marker, now, captured, body)
        } else {
            keep(
                Waiting(
                    number: number, timestamp: header.timestamp, marker: header.marker, payload: payload.array,
                    arrival: now, captured: captured))
        }
        while let oldest = waiting.first, mustGoOn(oldest, at: now) { skip(to: oldest.number, body) }
    }

    private mutating func restart(at number: Int64) {
        depacketizer.packetsLost()
        expected = number + 1
        numbers = SequenceUnwrapper()
        _ = numbers.unwrap(UInt16(truncatingIfNeeded: number))
        expected = numbers.highest.map { $0 + 1 }
    }

    private mutating func keep(_ packet: Waiting) {
        let index = waiting.lastIndex { $0.number <= packet.number }
        if let index, waiting[index].number == packet.number {
            counted.duplicates &+= 1
            return
        }
        waiting.insert(packet, at: index.map { $0 + 1 } ?? 0)
        waitingBytes += packet.payload.count
    }

    private func mustGoOn(_ oldest: Waiting, at now: Instant) -> Bool {
        waiting.count > limits.packets || waitingBytes > limits.bytes
            || now.milliseconds(since: oldest.arrival) >= limits.milliseconds
    }

    /// Gives up what is missing before `number`.
    private mutating func skip(to number: Int64, _ body: (Frame) -> Void) {
        if let expected, number > expected { counted.lost &+= UInt64(number - expected) }
        depacketizer.packetsLost()
        expected = number
        takeWaiting(body)
    }

    private mutating func giveUpWaiting(_ body: (Frame) -> Void) {
        while let oldest = waiting.first { skip(to: oldest.number, body) }
    }

    private mutating func takeWaiting(_ body: (Frame) -> Void) {
        while let oldest = waiting.first, oldest.number == expected {
            waiting.removeFirst()
            waitingBytes -= oldest.payload.count
            expected = oldest.number + 1
            oldest.payload.withBytes {
                take($0, oldest.timestamp, oldest.marker, oldest.arrival, oldest.captured, body)
            }
        }
    }

    private mutating func take(
        _ payload: RawSpan, _ timestamp: UInt32, _ marker: Bool, _ arrival: Instant, _ captured: Instant,
        _ body: (Frame) -> Void
    ) {
        // A packet of padding says nothing and is missed by nobody.
        guard !payload.isEmpty else { return }
        do throws(DepacketizationError) {
            try depacketizer.receive(payload, timestamp: timestamp, marker: marker, into: &units)
        } catch {
            counted.malformed &+= 1
        }
        // A packet may complete the frame before its own, or hold several.
        let clock = TimestampMapping(timestamp: timestamp, instant: captured, clockRate: clockRate)
        for unit in units {
            counted.frames &+= 1
            let presentation = timestamps.unwrap(unit.timestamp)
            let times = times.next(unit, presentation: presentation, arrival: arrival)
            body(
                Frame(
                    unit: unit, presentationTime: times.presentation, decodingTime: times.decoding,
                    startsEpoch: times.startsEpoch, arrival: arrival, captureTime: clock.instant(of: unit.timestamp)))
        }
        units.removeAll(keepingCapacity: true)
    }
}
