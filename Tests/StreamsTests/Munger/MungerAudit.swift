import Streams
import Wire

/// Looks through everything that one viewer got (PROP-1 to PROP-7).
///
/// A stretch is what lies between two points at which the viewer's stream begins at a keyframe: of another layer, of another
/// publisher, or again of the same. Within a stretch every number stands for a packet of the publisher, in the
/// publisher's order; numbers are missing for exactly those packets that never arrived; times are the publisher's, moved
/// by one distance; picture numbers are closed up over what was left out and over nothing else. From one stretch to the
/// next at most one number is missing, and only behind a frame that was cut off (RTP-25).
///
/// Not counted as gaps are packets that came when the viewer had got all that it ever got of the stretch, because it has
/// begun again at a keyframe behind them; the same goes for what a viewer on its way to the live edge had not reached.
struct MungerAudit {
    private(set) var faults: [String] = []
    let packets: Int
    let repaired: Int
    private(set) var stretches = 0
    /// Switches between encodings of one publisher.
    private(set) var switches = 0
    private(set) var missing = 0
    private(set) var fillers = 0

    private let viewer: MungerViewer
    private let streams: [MungerStream]
    private let way: MungerWay

    /// What the times of a change of source may be off by: what is known of the ways of two sources differs.
    private static let clockTolerance: Int64 = 90 * 200
    /// Within this time a viewer that began at a cached keyframe is at the live edge.
    private static let catchUpMilliseconds: UInt64 = 6_000
    /// More than what comes of a stream while its latest packet is on its way.
    private static let latestPackets = 400
    private var catchUpEnd = Instant(nanoseconds: 0)
    /// By position among the numbers in order: when the first packet arrived of all from there on that are of the same source.
    private var earliest: [Int] = []

    init(_ viewer: MungerViewer, _ streams: [MungerStream], way: MungerWay) {
        self.viewer = viewer
        self.streams = streams
        self.way = way
        packets = viewer.records.count
        repaired = viewer.repaired
        faults = viewer.faults
        check()
    }

    private mutating func fault(_ text: String) {
        if faults.count < 6 { faults.append("viewer \(viewer.peer.peerID.value): \(text)") }
    }

    private func describe(_ record: MungerRecord) -> String {
        "\(record.number)=\(record.stream):\(record.index)"
            + (record.index >= 0 ? "(picture \(packet(record).picture), arrived \(packet(record).arrival ?? -1))" : "")
    }

    private func packet(_ record: MungerRecord) -> MungerPacket { streams[record.stream].packets[record.index] }
    private func picture(_ record: MungerRecord) -> MungerPicture {
        streams[record.stream].pictures[packet(record).picture]
    }

    private mutating func check() {
        var sorted = viewer.records.values.sorted { $0.number < $1.number }
        // Parameter sets that were put in stand right before the packet they are for.
        for position in sorted.indices where sorted[position].stream >= 0 && sorted[position].index < 0 {
            guard position + 1 < sorted.count, sorted[position + 1].number == sorted[position].number + 1,
                sorted[position + 1].stream == sorted[position].stream, sorted[position + 1].index > 0
            else {
                fault("parameter sets before nothing: \(describe(sorted[position]))")
                sorted[position].stream = -1
                continue
            }
            sorted[position].index = sorted[position + 1].index - 1
            sorted[position].isInserted = true
        }
        guard let first = sorted.first else { return }
        noteEarliest(sorted)
        if first.number != Int64(viewer.firstNumber) { fault("begins with \(first.number)") }
        var stretch: [MungerRecord] = []
        var fillersBefore = 0
        for (position, record) in sorted.enumerated() {
            if record.isFiller {
                stretch.append(record)
                fillersBefore += 1
                continue
            }
            if let last = stretch.last(where: { !$0.isFiller }),
                last.stream != record.stream || record.index <= last.index || record.isInserted
                    || beginsAgain(record, at: position, after: stretch)
            {
                let fillers = Array(stretch.suffix(fillersBefore))
                stretch.removeLast(fillersBefore)
                if !fillers.isEmpty { fault("padding at the end of a stretch: \(fillers[0].number)") }
                checkStretch(stretch)
                checkStart(record, after: stretch)
                stretch = []
            } else if stretch.isEmpty {
                checkStart(record, after: [])
            }
            fillersBefore = 0
            if stretch.isEmpty || stretch.count == 1 && stretch[0].isInserted, !record.isInserted,
                record.turn > packet(record).turn
            {
                catchUpEnd = record.sentAt.advanced(byMilliseconds: Self.catchUpMilliseconds)
            }
            stretch.append(record)
        }
        checkStretch(stretch)
    }

    private mutating func noteEarliest(_ sorted: [MungerRecord]) {
        earliest = sorted.map { $0.isFiller ? .max : packet($0).arrival ?? 0 }
        for position in earliest.indices.dropLast().reversed()
        where sorted[position].isFiller || sorted[position + 1].isFiller
            || sorted[position].stream == sorted[position + 1].stream
        {
            earliest[position] = min(earliest[position], earliest[position + 1])
        }
    }

    /// The packets between two that never arrived, and those that arrived after `end`.
    private func missed(_ last: MungerRecord, _ next: MungerRecord, until end: Int) -> (lost: Int, late: Int) {
        guard last.index + 1 < next.index else { return (0, 0) }
        let between = streams[last.stream].packets[last.index + 1..<next.index]
        return (between.count { $0.arrival == nil }, between.count { $0.arrival ?? 0 > end })
    }

    /// Whether the stream begins again with a later keyframe of the same source. At a keyframe it may as well go on: it has
    /// to do one of the two in all that can be seen.
    private func beginsAgain(_ record: MungerRecord, at position: Int, after stretch: [MungerRecord]) -> Bool {
        guard let last = stretch.last(where: { !$0.isFiller }), packet(record).isStart,
            packet(record).picture != packet(last).picture
        else { return false }
        return numberFault(last, record, until: packet(record).arrival ?? 0) != nil
            || timeFault(last, record) != nil || pictureFault(last, record, sentBefore: earliest[position]) != nil
            || startsLater(record, after: last) || lacksSomething(stretch, before: record)
    }

    /// Whether the keyframe lacks packets that stand before `record`: a stream that goes on has them, or a number for them.
    private func startsLater(_ record: MungerRecord, after last: MungerRecord) -> Bool {
        let stream = streams[record.stream]
        return stream.packets[picture(record).first..<record.index].contains { $0.arrival != nil && !$0.isNeedless }
            && viewer.records[record.number - 1].map { $0.stream != record.stream || $0.index < picture(record).first }
                ?? (way.refuses && !last.marker)
    }

    /// Whether numbers were kept in vain for packets that came before `record`. Where a viewer left for another encoding and
    /// nothing of that was sent, as its link refused it, or where it goes on at another cached keyframe, what it got looks
    /// like a stream that goes on but for the latest packets of the part before, which nobody was to get.
    private func lacksSomething(_ stretch: [MungerRecord], before record: MungerRecord) -> Bool {
        guard way.refuses || record.turn > packet(record).turn else { return false }
        let media = stretch.suffix(Self.latestPackets).filter { !$0.isFiller }
        let arrival = packet(record).arrival ?? 0
        return zip(media, media.dropFirst()).contains { numberFault($0, $1, until: arrival) != nil }
    }

    /// PROP-7, RTP-25: a stretch begins with a keyframe, right behind the one before.
    private mutating func checkStart(_ record: MungerRecord, after stretch: [MungerRecord]) {
        stretches += 1
        if !record.isInserted, !packet(record).isStart { fault("begins in the middle: \(describe(record))") }
        guard let last = stretch.last(where: { !$0.isFiller }) else { return }
        if streams[last.stream].encoding != streams[record.stream].encoding { switches += 1 }
        let gap = record.number - last.number - 1
        if gap > (last.marker ? 0 : 1) {
            fault("\(gap) missing at a change: \(describe(last)) \(last.marker), \(describe(record))")
        }
        let step = record.timestamp - last.timestamp
        // At a cached keyframe the time is that of sending.
        let elapsed =
            max(
                packet(record).captured.nanoseconds(since: packet(last).captured),
                record.sentAt.nanoseconds(since: last.sentAt)) * 9 / 100_000
        if step <= 0 { fault("time goes back by \(-step) at a change: \(describe(last)), \(describe(record))") }
        if step > max(elapsed, 0) + MungerEncoder.frameTicks + Self.clockTolerance {
            fault("time jumps by \(step), not \(elapsed), at a change: \(describe(last)), \(describe(record))")
        }
        checkPicturesStart(record, after: stretch)
    }

    /// PROP-6: picture numbers go on by one.
    private mutating func checkPicturesStart(_ record: MungerRecord, after stretch: [MungerRecord]) {
        guard let id = record.pictureID, let last = stretch.last(where: { $0.pictureID != nil }),
            let lastID = last.pictureID
        else { return }
        if (id &- lastID) & pictureMask != 1 {
            fault("picture id \(id) after \(lastID) at a change: \(describe(last)), \(describe(record))")
        }
        if let index = record.layerZeroIndex, let before = last.layerZeroIndex, index &- before != 1 {
            fault("TL0PICIDX \(index) after \(before) at a change: \(describe(last)), \(describe(record))")
        }
        if let key = record.keyIndex, let before = last.keyIndex, (key &- before) & 31 != 1 {
            fault("KEYIDX \(key) after \(before) at a change: \(describe(last)), \(describe(record))")
        }
    }

    private var pictureMask: UInt16 { viewer.format == .vp8Short ? 0x7F : 0x7FFF }

    private mutating func checkStretch(_ stretch: [MungerRecord]) {
        let media = stretch.filter { !$0.isFiller }
        guard let first = media.first else { return }
        fillers += stretch.count - media.count
        // The first packet of a cached keyframe is sent before those that came earlier.
        let start = media.first { !$0.isInserted } ?? first
        let isCached = start.turn > packet(start).turn
        let inOrder = media.filter { !$0.isInserted && !(isCached && $0.number == start.number) }
        let end = inOrder.map { packet($0).arrival ?? 0 }.max() ?? packet(start).arrival ?? 0
        // When the first packet of all from here on was sent.
        var earliest = media.map { packet($0).arrival ?? 0 }
        for position in earliest.indices.dropLast().reversed() {
            earliest[position] = min(earliest[position], earliest[position + 1])
        }
        for (position, (last, next)) in zip(media, media.dropFirst()).enumerated() {
            let between = last.number + 1..<next.number
            missing += between.count { viewer.records[$0] == nil }
            if let text = numberFault(last, next, until: end) { fault(text) }
            if let text = timeFault(last, next) { fault(text) }
            if let text = pictureFault(last, next, sentBefore: earliest[position + 1]) { fault(text) }
        }
        checkPictures(media, until: end)
        checkChoice(media)
    }

    /// PROP-1: numbers are missing for what never arrived, and for nothing else.
    private func numberFault(_ last: MungerRecord, _ next: MungerRecord, until end: Int) -> String? {
        let between = last.number + 1..<next.number
        let kept = between.count { viewer.records[$0] != nil }
        let gap = between.count - kept
        let (lost, late) = missed(last, next, until: end)
        let arrived = max(0, next.index - last.index - 1 - lost - late)
        if gap < lost || gap > lost + late {
            return "\(gap) missing for \(lost) lost and \(late) late: \(describe(last)), \(describe(next))"
        }
        if kept > arrived + late { return "\(kept) of padding for \(arrived): \(describe(last)), \(describe(next))" }
        return nil
    }

    /// PROP-2: one time for a picture, and the publisher's distance between two; less on the way from a cached keyframe.
    private func timeFault(_ last: MungerRecord, _ next: MungerRecord) -> String? {
        let step = next.timestamp - last.timestamp
        let wanted = packet(next).ticks - packet(last).ticks
        if packet(last).picture == packet(next).picture {
            return step == 0 ? nil : "two times for a picture: \(describe(last)), \(describe(next)), \(step)"
        }
        if step == wanted { return nil }
        guard next.sentAt < catchUpEnd else {
            return "time goes on by \(step), not \(wanted): \(describe(last)), \(describe(next))"
        }
        if step > 0, step < wanted { return nil }
        return "time goes on by \(step) of \(wanted) on the way: \(describe(last)), \(describe(next))"
    }

    /// PROP-6: picture numbers leave out what is left out and nothing else.
    private func pictureFault(_ last: MungerRecord, _ next: MungerRecord, sentBefore limit: Int) -> String? {
        guard let lastID = last.pictureID, let nextID = next.pictureID else { return nil }
        let (from, to) = (packet(last).picture, packet(next).picture)
        let step = Int((nextID &- lastID) & pictureMask)
        var least = to - from
        var most = to - from
        if viewer.format != .vp9, to > from {
            let stream = streams[last.stream]
            // Pictures nobody has seen a packet of in time may have kept their numbers.
            let unseen = (from + 1..<to).filter { number in !arrivals(number, stream).contains { $0 < limit } }
            let never = unseen.count { number in arrivals(number, stream).isEmpty }
            least = 1 + never
            most = 1 + unseen.count
        }
        let modulus = Int(pictureMask) + 1
        if most < modulus, step < least || step > most {
            return "picture id goes on by \(step), not \(least)...\(most): \(describe(last)), \(describe(next))"
        }
        return indexFault(last, next)
    }

    private func arrivals(_ number: Int, _ stream: MungerStream) -> [Int] {
        let picture = stream.pictures[number]
        return stream.packets[picture.first..<picture.first + picture.count].compactMap(\.arrival)
    }

    private func indexFault(_ last: MungerRecord, _ next: MungerRecord) -> String? {
        let (before, after) = (picture(last), picture(next))
        if let first = last.layerZeroIndex, let second = next.layerZeroIndex {
            let step = Int(second &- first)
            let wanted = after.layerZeroIndex - before.layerZeroIndex
            // A keyframe goes on by one when frames before it were held back.
            let isRight = step == wanted || way.refuses && wanted > 0 && step > 0 && step < wanted
            if !isRight, wanted < 256 {
                return "TL0PICIDX goes on by \(step), not \(wanted): \(describe(last)), \(describe(next))"
            }
        }
        if let first = last.keyIndex, let second = next.keyIndex {
            let step = Int((second &- first) & 31)
            let wanted = after.keyIndex - before.keyIndex
            let isRight = step == wanted || way.refuses && wanted > 0 && step > 0 && step < wanted
            if !isRight, wanted < 32 {
                return "KEYIDX goes on by \(step), not \(wanted): \(describe(last)), \(describe(next))"
            }
        }
        return nil
    }

    /// RTP-25, RTP-97: whole pictures, each of which ends with a marker.
    private mutating func checkPictures(_ media: [MungerRecord], until end: Int) {
        var position = 0
        while position < media.count {
            let number = packet(media[position]).picture
            let stream = streams[media[position].stream]
            var next = position
            while next < media.count, packet(media[next]).picture == number { next += 1 }
            let got = media[position..<next]
            let isFirst = position == 0
            position = next
            let highest = got.map { packet($0).spatial }.max() ?? 0
            for record in got.dropLast() where record.marker {
                fault("a marker in the middle: \(describe(record))")
            }
            let picture = stream.pictures[number]
            if let last = got.last, !packet(last).isNeedless {
                // Where something of the higher layers is missing it cannot be told whether the viewer would have got them.
                let rest = stream.packets[last.index + 1..<max(last.index + 1, picture.first + picture.count)]
                let isUnknown = packet(last).endsLayer && rest.contains { $0.arrival ?? .max > end }
                if !isUnknown, last.marker != packet(last).endsLayer {
                    fault("marker is \(last.marker): \(describe(last))")
                }
            }
            let indices = Set(got.map(\.index))
            for index in picture.first..<picture.first + picture.count where !indices.contains(index) {
                let packet = stream.packets[index]
                guard let arrival = packet.arrival, arrival <= end, packet.spatial <= highest, !packet.isNeedless
                else { continue }
                // A keyframe whose first packets come last is begun at the earliest that says what it is.
                if isFirst, index < got.first?.index ?? 0 { continue }
                fault(
                    "\(stream.id):\(index) is missing in picture \(number), arrived \(arrival): \(describe(media[position - 1]))"
                )
                break
            }
        }
    }

    /// No packet of a layer that was not chosen.
    private mutating func checkChoice(_ media: [MungerRecord]) {
        for record in media where !record.isInserted {
            // What is sent on the way from a cached keyframe was captured before choices that count already.
            guard let choice = viewer.choice(at: record.sentAt) else { continue }
            if let limit = choice.temporalLayer, packet(record).temporal > limit {
                fault("temporal layer \(packet(record).temporal), not \(limit): \(describe(record))")
            }
            if let limit = choice.spatialLayer, packet(record).spatial > limit {
                fault("spatial layer \(packet(record).spatial), not \(limit): \(describe(record))")
            }
            // 0 is the best. The sets of these scenes' H.264 name no size and both encodings take the same rate, so which is
            // the better cannot be known, and either may stand in for the other.
            if viewer.format != .h264, let encoding = choice.encoding, streams[record.stream].encoding < encoding {
                fault("encoding \(streams[record.stream].encoding), not \(encoding): \(describe(record))")
            }
        }
    }
}
