import Wire

/// The numbers inside a payload as they were sent to one viewer. Zero where the codec has none.
struct SentPictureNumbers: Hashable, Sendable {
    var pictureID: UInt16 = 0
    var temporalLevelZeroIndex: UInt8 = 0
    var keyIndex: UInt8 = 0
}

/// What it takes to build a packet again exactly as it went to one viewer.
struct PacketRecord: Hashable, Sendable {
    /// Where the packet lies in the track's history.
    var position: Int64
    /// The viewer's timestamp.
    var timestamp: UInt32
    var picture: SentPictureNumbers
    /// The marker bit that it was sent with.
    var marker: Bool
    /// The frame number in its dependency descriptor, where it has one.
    var frameNumber: UInt16
    /// Whether padding was sent in its place.
    var isPadding = false
    /// Whether the viewer is known to have got it after it was lost, the last time it was sent.
    fileprivate(set) var hasArrived = false
    /// How often it has been sent again.
    fileprivate(set) var tries: UInt8 = 0
    /// Milliseconds from when it was first sent to when it was last sent.
    fileprivate var sinceFirst: UInt16 = 0
    /// When it was last sent, in milliseconds that wrap.
    fileprivate(set) var lastSent: UInt32 = 0
    /// The low bits of its sequence number without wraps.
    fileprivate var number: UInt32 = 0

    init(
        position: Int64, timestamp: UInt32, picture: SentPictureNumbers = SentPictureNumbers(), marker: Bool = false,
        frameNumber: UInt16 = 0
    ) {
        self.position = position
        self.timestamp = timestamp
        self.picture = picture
        self.marker = marker
        self.frameNumber = frameNumber
    }

    /// Milliseconds from the last time it was sent to `now`.
    func millisecondsSinceSent(at now: Instant) -> UInt32 { now.wrappingMilliseconds &- lastSent }

    /// Milliseconds from the first time it was sent to `now`: by so much later it comes when it is sent again now.
    func lateness(at now: Instant) -> UInt32 { UInt32(sinceFirst) &+ millisecondsSinceSent(at: now) }
}

/// From the sequence numbers one viewer got to the packets of the track (RTP-43, PROP-3).
///
/// A fixed array by sequence number. It doubles, up to a bound, when it would forget a packet that the history still
/// has; numbers that were never sent are never found.
struct SentPacketMap {
    static let initialCapacity = 256
    static let maximumCapacity = 2048
    /// A packet that is older than this is not in the history either.
    static let ageMilliseconds: UInt32 = 2_000

    private var entries: [PacketRecord?]
    /// The newest number sent; nil before the first.
    private(set) var newest: Int64?

    init() { entries = Array(repeating: nil, count: Self.initialCapacity) }

    var capacity: Int { entries.count }

    /// Notes that `packet` was sent under `extendedSequenceNumber`.
    ///
    /// - Parameter waits: whether it waits for its turn, so that it is asked for later.
    mutating func sent(
        _ packet: PacketRecord, extendedSequenceNumber number: Int64, waits: Bool = false, at now: Instant
    ) {
        if let newest, newest - number >= Int64(entries.count) { return }
        let time = now.wrappingMilliseconds
        let age = Self.ageMilliseconds + (waits ? UInt32(PacketHistory.waitingMilliseconds) : 0)
        while entries.count < Self.maximumCapacity, let old = entries[slot(number)],
            old.number != UInt32(truncatingIfNeeded: number), time &- old.lastSent <= age
        {
            grow()
        }
        var entry = packet
        entry.number = UInt32(truncatingIfNeeded: number)
        entry.lastSent = time
        entries[slot(number)] = entry
        newest = newest.map { max($0, number) } ?? number
    }

    /// The number without wraps that a viewer means by `sequenceNumber`; nil when it lies ahead of everything sent.
    func extend(_ sequenceNumber: UInt16) -> Int64? {
        guard let newest else { return nil }
        let number = newest + Int64(Int16(bitPattern: sequenceNumber &- UInt16(truncatingIfNeeded: newest)))
        return number <= newest ? number : nil
    }

    /// What was sent under `number`; nil when nothing was or it is too long ago.
    subscript(number: Int64) -> PacketRecord? {
        guard let newest, number <= newest, newest - number < Int64(entries.count),
            let entry = entries[slot(number)], entry.number == UInt32(truncatingIfNeeded: number)
        else { return nil }
        return entry
    }

    /// Whether `number` lies too far back to be known any more.
    func isTooOld(_ number: Int64) -> Bool { newest.map { $0 - number >= Int64(entries.count) } ?? false }

    /// Notes that what was sent under `number` has been sent again.
    mutating func sentAgain(_ number: Int64, at now: Instant) {
        guard var entry = self[number] else { return }
        entry.tries = entry.tries == .max ? .max : entry.tries + 1
        entry.sinceFirst = UInt16(clamping: entry.lateness(at: now))
        entry.lastSent = now.wrappingMilliseconds
        entry.hasArrived = false
        entries[slot(number)] = entry
    }

    /// Notes that the viewer has got what was sent under `number`.
    mutating func arrived(_ number: Int64) {
        guard self[number] != nil else { return }
        entries[slot(number)]?.hasArrived = true
    }

    private func slot(_ number: Int64) -> Int { Int(truncatingIfNeeded: number & Int64(entries.count - 1)) }

    private mutating func grow() {
        let old = entries
        entries = Array(repeating: nil, count: old.count * 2)
        for case .some(let entry) in old {
            entries[Int(entry.number) & (entries.count - 1)] = entry
        }
    }
}

extension Instant {
    fileprivate var wrappingMilliseconds: UInt32 { UInt32(truncatingIfNeeded: nanoseconds / 1_000_000) }
}
