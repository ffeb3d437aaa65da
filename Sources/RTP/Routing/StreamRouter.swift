public import Wire

/// Tells which media section and which simulcast encoding the packets of an SSRC belong to
/// (RFC 9143, section 9.2; RFC 8852; RFC 4588).
///
/// An SSRC is placed by the first of these that says something: the MID extension, with RID or repaired RID; `a=ssrc` of the
/// description; a payload type that only one section has. What was found is kept, and corrected when a MID or RID
/// comes later. SSRC 0 and packets of padding only never create a stream. Streams that the description does not
/// declare are few: see ``Limits``.
///
/// Looking up a known SSRC costs a scan of a few integers and allocates nothing.
public struct StreamRouter: Sendable {
    /// A media section of the negotiated description, as far as routing needs it.
    public struct Section: Sendable {
        public var mid: [UInt8]
        public var payloadTypes: PayloadTypeSet
        /// Payload types of retransmissions (RFC 4588).
        public var repairPayloadTypes: PayloadTypeSet
        /// Simulcast encodings, in the order of the description; empty without simulcast.
        public var rids: [[UInt8]]
        /// SSRCs of media named by `a=ssrc`.
        public var ssrcs: [UInt32]
        /// SSRCs of retransmissions, the second ones of `a=ssrc-group:FID`, each for the SSRC at the same place in `ssrcs`.
        public var repairSSRCs: [UInt32]

        public init(
            mid: [UInt8], payloadTypes: PayloadTypeSet, repairPayloadTypes: PayloadTypeSet = [], rids: [[UInt8]] = [],
            ssrcs: [UInt32] = [], repairSSRCs: [UInt32] = []
        ) {
            self.mid = mid
            self.payloadTypes = payloadTypes
            self.repairPayloadTypes = repairPayloadTypes
            self.rids = rids
            self.ssrcs = ssrcs
            self.repairSSRCs = repairSSRCs
        }
    }

    public struct Limits: Sendable {
        /// Streams at a time that the description does not declare.
        public var undeclaredStreams = 16
        /// Packets in all that may fail to be placed; later ones need a MID or a declared SSRC.
        public var probingPackets = 100
        /// How long an undeclared stream must have been silent for a new one to take its place.
        public var idleSeconds: Int64 = 10
        /// How long the current SSRC of an encoding must have been silent for an older one to come back.
        public var supersedeMilliseconds: Int64 = 2000

        public init() {}
    }

    /// Where a stream belongs.
    public struct Route: Hashable, Sendable {
        /// Index of the media section.
        public var section: Int
        /// Index into the section's RIDs; nil without simulcast, or while no RID has been seen.
        public var encoding: Int?
        /// Whether the stream carries retransmissions of the media stream with the same section and encoding.
        public var isRepair: Bool

        public init(section: Int, encoding: Int?, isRepair: Bool) {
            self.section = section
            self.encoding = encoding
            self.isRepair = isRepair
        }
    }

    public enum Change: Hashable, Sendable {
        case none
        /// The first packet of a stream.
        case added
        /// A known SSRC turned out to belong elsewhere.
        case moved(from: Route)
        /// The stream goes on with another SSRC, as when a publisher restarts its encoder.
        case replaced(ssrc: UInt32)
    }

    public enum Refusal: Hashable, Sendable {
        case ssrcZero
        case paddingOnly
        /// Not negotiated in the section, or in none.
        case payloadType
        case unknownMID
        /// Nothing tells where the SSRC belongs, yet.
        case unplaced
        case tooManyStreams
        /// An SSRC that another one has replaced.
        case superseded
    }

    public enum Result: Hashable, Sendable {
        case routed(Route, Change)
        case refused(Refusal)
    }

    private struct Stream {
        var route: Route
        var isDeclared: Bool
        /// Whether it is the SSRC its encoding now comes on.
        var isCurrent: Bool
        var lastPacket: Instant
    }

    private let sections: [Section]
    private let limits: Limits
    /// SSRCs beside `streams`, for the scan.
    private var ssrcs: [UInt32] = []
    private var streams: [Stream] = []
    private var lastIndex = 0
    /// Packets so far that could not be placed.
    public private(set) var unplacedPackets = 0

    public init(sections: [Section], limits: Limits = Limits()) {
        self.sections = sections
        self.limits = limits
    }

    /// Places one packet. `extensions` are those of the packet in `datagram`.
    public mutating func route(
        _ header: RTPHeader, extensions: HeaderExtensionIndex, in datagram: RawSpan, at now: Instant
    ) -> Result {
        guard header.ssrc != 0 else { return .refused(.ssrcZero) }
        if let index = index(of: header.ssrc) {
            return routeKnown(index, header, extensions: extensions, in: datagram, at: now)
        }
        guard !header.isPaddingOnly else { return .refused(.paddingOnly) }
        switch place(header, extensions: extensions, in: datagram) {
        case .failure(let refusal):
            unplacedPackets += 1
            return .refused(refusal)
        case .success(let route, let isDeclared):
            guard isDeclared || makeRoom(at: now) else { return .refused(.tooManyStreams) }
            ssrcs.append(header.ssrc)
            streams.append(Stream(route: route, isDeclared: isDeclared, isCurrent: true, lastPacket: now))
            lastIndex = streams.count - 1
            return .routed(route, supersedeOthers(than: lastIndex) ?? .added)
        }
    }

    /// The SSRC that media of a section and encoding now comes on.
    public func mediaSSRC(section: Int, encoding: Int?) -> UInt32? {
        let route = Route(section: section, encoding: encoding, isRepair: false)
        guard let index = streams.firstIndex(where: { $0.isCurrent && $0.route == route }) else { return nil }
        return ssrcs[index]
    }

    /// Forgets a stream, as after a BYE.
    public mutating func remove(ssrc: UInt32) {
        guard let index = index(of: ssrc) else { return }
        removeStream(at: index)
    }

    private mutating func index(of ssrc: UInt32) -> Int? {
        if lastIndex < ssrcs.count, ssrcs[lastIndex] == ssrc { return lastIndex }
        for index in ssrcs.indices where ssrcs[index] == ssrc {
            lastIndex = index
            return index
        }
        return nil
    }

    private mutating func routeKnown(
        _ index: Int, _ header: RTPHeader, extensions: HeaderExtensionIndex, in datagram: RawSpan, at now: Instant
    ) -> Result {
        var change = Change.none
        if extensions.contains(.mid) || extensions.contains(.rid) || extensions.contains(.repairedRid) {
            let route = streams[index].route
            switch relatch(route, header, extensions: extensions, in: datagram) {
            case .failure(let refusal): return .refused(refusal)
            case .success(let corrected, _):
                if corrected != route {
                    streams[index].route = corrected
                    streams[index].isCurrent = true
                    change = .moved(from: route)
                    _ = supersedeOthers(than: index)
                }
            }
        }
        let route = streams[index].route
        guard accepts(header.payloadType, on: route) else { return .refused(.payloadType) }
        if !streams[index].isCurrent {
            let current = streams.firstIndex { $0.isCurrent && $0.route == route }
            if let current, now.milliseconds(since: streams[current].lastPacket) < limits.supersedeMilliseconds {
                return .refused(.superseded)
            }
            streams[index].isCurrent = true
            change = supersedeOthers(than: index) ?? change
        }
        streams[index].lastPacket = now
        return .routed(route, change)
    }

    private func accepts(_ payloadType: UInt8, on route: Route) -> Bool {
        // Without a copy of the section, whose arrays would be retained for every packet.
        route.isRepair
            ? sections[route.section].repairPayloadTypes.contains(payloadType)
            : sections[route.section].payloadTypes.contains(payloadType)
    }

    /// Makes the stream at `index` the only current one of its route.
    private mutating func supersedeOthers(than index: Int) -> Change? {
        let route = streams[index].route
        // An encoding that is not known yet replaces nothing.
        guard route.encoding != nil || sections[route.section].rids.isEmpty else { return nil }
        var change: Change?
        for other in streams.indices where other != index && streams[other].isCurrent && streams[other].route == route {
            streams[other].isCurrent = false
            change = .replaced(ssrc: ssrcs[other])
        }
        return change
    }

    /// Whether there is room for one more undeclared stream, made if need be by forgetting the one silent longest.
    private mutating func makeRoom(at now: Instant) -> Bool {
        var count = 0
        var oldest: Int?
        for index in streams.indices where !streams[index].isDeclared {
            count += 1
            if oldest.map({ streams[index].lastPacket < streams[$0].lastPacket }) ?? true { oldest = index }
        }
        guard count >= limits.undeclaredStreams else { return true }
        guard let oldest, now.milliseconds(since: streams[oldest].lastPacket) >= limits.idleSeconds * 1000 else {
            return false
        }
        removeStream(at: oldest)
        return true
    }

    private mutating func removeStream(at index: Int) {
        ssrcs.remove(at: index)
        streams.remove(at: index)
        lastIndex = 0
    }
}

// MARK: - Placing

extension StreamRouter {
    private enum Placement {
        case success(Route, isDeclared: Bool)
        case failure(Refusal)
    }

    /// Where an SSRC that is not known belongs.
    private func place(
        _ header: RTPHeader, extensions: HeaderExtensionIndex, in datagram: RawSpan
    ) -> Placement {
        let type = header.payloadType
        let declared = declaredRoute(header.ssrc)
        if let mid = extensions[.mid] {
            guard let section = sections.firstIndex(where: { Self.equal($0.mid, mid, in: datagram) }) else {
                return .failure(.unknownMID)
            }
            return place(in: section, type, declared: declared, extensions: extensions, in: datagram)
        }
        if let declared {
            return place(in: declared.section, type, declared: declared, extensions: extensions, in: datagram)
        }
        guard unplacedPackets < limits.probingPackets else { return .failure(.unplaced) }
        var found: Int?
        for index in sections.indices
        where sections[index].payloadTypes.contains(type) || sections[index].repairPayloadTypes.contains(type) {
            guard found == nil else { return .failure(.unplaced) }
            found = index
        }
        guard let found else { return .failure(.payloadType) }
        return place(in: found, type, declared: nil, extensions: extensions, in: datagram)
    }

    private func place(
        in section: Int, _ payloadType: UInt8, declared: Route?, extensions: HeaderExtensionIndex, in datagram: RawSpan
    ) -> Placement {
        let isRepair = sections[section].repairPayloadTypes.contains(payloadType)
        guard isRepair || sections[section].payloadTypes.contains(payloadType) else { return .failure(.payloadType) }
        let rid = extensions[isRepair ? .repairedRid : .rid]
        let named = rid.flatMap { encoding(named: $0, section: section, in: datagram) }
        let fallback = declared?.section == section ? declared?.encoding : nil
        let route = Route(section: section, encoding: named ?? fallback, isRepair: isRepair)
        return .success(route, isDeclared: declared != nil)
    }

    /// Where a known SSRC belongs, now that a packet of it has a MID or RID.
    private func relatch(
        _ route: Route, _ header: RTPHeader, extensions: HeaderExtensionIndex, in datagram: RawSpan
    ) -> Placement {
        var section = route.section
        if let mid = extensions[.mid], !Self.equal(sections[section].mid, mid, in: datagram) {
            guard let other = sections.firstIndex(where: { Self.equal($0.mid, mid, in: datagram) }) else {
                return .failure(.unknownMID)
            }
            section = other
        }
        let known = section == route.section ? route : nil
        return place(in: section, header.payloadType, declared: known, extensions: extensions, in: datagram)
    }

    private func declaredRoute(_ ssrc: UInt32) -> Route? {
        for section in sections.indices {
            let isSimulcast = !sections[section].rids.isEmpty
            if let place = sections[section].ssrcs.firstIndex(of: ssrc) {
                return Route(
                    section: section, encoding: isSimulcast ? encoding(at: place, section) : nil, isRepair: false)
            }
            if let place = sections[section].repairSSRCs.firstIndex(of: ssrc) {
                return Route(
                    section: section, encoding: isSimulcast ? encoding(at: place, section) : nil, isRepair: true)
            }
        }
        return nil
    }

    private func encoding(at place: Int, _ section: Int) -> Int? {
        place < sections[section].rids.count ? place : nil
    }

    private func encoding(named rid: Range<Int>, section: Int, in datagram: RawSpan) -> Int? {
        sections[section].rids.firstIndex { Self.equal($0, rid, in: datagram) }
    }

    private static func equal(_ name: [UInt8], _ range: Range<Int>, in datagram: RawSpan) -> Bool {
        guard name.count == range.count, range.upperBound <= datagram.byteCount else { return false }
        for index in name.indices where name[index] != datagram[range.lowerBound + index] { return false }
        return true
    }
}
