import Codecs

/// How many pictures of a stream may come before one that is shown earlier.
///
/// Streams with usability information tell. Of others a gap in the picture order counts says, before the first of them
/// comes, that there are pictures to be shown earlier; what came in fact is known when the next sequence begins.
struct ReorderDepth: Sendable {
    /// Frames; fields are two each.
    static let maximum = 16
    /// Pictures of a sequence from which it is known how the encoder counts.
    private static let sample = 4

    /// What has been seen, in pictures.
    private var proven = 0
    private var guessed = 0
    /// Presentation times of the latest pictures in decoding order.
    private var latest: [Int64] = []

    /// Between the counts of pictures that follow each other; encoders count frames or fields.
    private var step: Int64 = 2
    private var smallestStep: Int64?
    private var former: (count: Int64, presentation: Int64)?
    private var highest: (count: Int64, presentation: Int64)?
    private var pictures = 0
    /// The widest gap of this sequence, and the widest of which it is known what came of it.
    private var widestGap: Int64 = 0
    private var knownGap: Int64 = 0
    /// Pictures whose times go the other way than their counts: the sender puts something else there than the time at
    /// which they are shown.
    private(set) var misordered: UInt64 = 0

    /// Takes the next picture.
    ///
    /// - Parameter announced: as the stream itself tells, in pictures.
    /// - Returns: the depth that holds now, and the lowest time that may still come where a gap was found.
    mutating func note(
        _ presentation: Int64, _ order: PictureOrder?, announced: Int?
    ) -> (depth: Int, earliest: Int64?) {
        let limit = Self.maximum * (order?.isSingleField == true ? 2 : 1)
        var earliest: Int64?
        var isLater = false
        if let order {
            if order.startsSequence { beginSequence(isSingleField: order.isSingleField) }
            if let former {
                let difference = order.count &- former.count
                if difference != 0, (difference > 0) != (presentation > former.presentation) { misordered &+= 1 }
                if difference != 0 { smallestStep = min(smallestStep ?? .max, Int64(clamping: difference.magnitude)) }
                step = min(step, smallestStep ?? step)
            }
            if let highest, order.count > highest.count {
                let gap = (order.count &- highest.count) / max(1, step) &- 1
                if announced == nil, (1..<Int64(limit)).contains(gap), gap > knownGap {
                    widestGap = max(widestGap, gap)
                    // A pyramid of references is as deep as the gap halves.
                    let depth = min(limit, Int64.bitWidth - gap.leadingZeroBitCount)
                    if depth > max(guessed, proven) {
                        guessed = depth
                        earliest = highest.presentation &+ (presentation &- highest.presentation) / (gap &+ 1)
                    }
                }
            }
            isLater = highest.map { order.count > $0.count } ?? true
            if isLater { highest = (order.count, presentation) }
            former = (order.count, presentation)
            pictures += 1
        }
        // A time that goes back while the counts go on is a fault, not an order.
        if !isLater {
            let overtaken = latest.count { $0 > presentation }
            if overtaken > proven { proven = min(limit, overtaken) }
        }
        if latest.count == 2 * Self.maximum { latest.removeFirst() }
        latest.append(presentation)
        return (min(limit, max(announced ?? guessed, proven)), earliest)
    }

    private mutating func beginSequence(isSingleField: Bool) {
        if pictures >= Self.sample {
            if let smallestStep { step = smallestStep }
            // What the gaps promised has come by now.
            knownGap = max(knownGap, widestGap)
            guessed = 0
        } else if isSingleField {
            step = 1
        }
        smallestStep = nil
        former = nil
        highest = nil
        pictures = 0
        widestGap = 0
    }

    /// The times that come next have nothing to do with those before.
    mutating func restart() {
        latest.removeAll(keepingCapacity: true)
        former = nil
        highest = nil
    }
}
