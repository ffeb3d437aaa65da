/// Makes decoding times of presentation times alone, where it is known how many pictures may overtake one.
///
/// With a depth of `n`, a picture is decoded when the one that stands `n` places before it in decoding order's own
/// numbering is shown: the lowest of the times that still wait. So times that are even come out even.
struct ReorderQueue: Sendable {
    /// Presentation times that no picture has been decoded at, ascending; no more than the depth.
    private var waiting: [Int64] = []
    /// Of the latest picture; nil at the beginning.
    private(set) var latest: Int64?
    /// While the queue grows: the lowest time that may still come.
    private var ceiling: Int64?

    /// - Parameters:
    ///   - presentation: when the next picture in decoding order is shown.
    ///   - depth: how many pictures may come before one that is shown earlier.
    ///   - earliest: the lowest time that may still come, where the depth has just become known; nil otherwise.
    ///   - duration: of a picture, for the first ones.
    /// - Returns: times that grow with every picture. The presentation time is another only where no decoding time would
    ///   be left before it.
    mutating func add(
        _ presentation: Int64, depth: Int, earliest: Int64?, duration: Int64
    ) -> (presentation: Int64, decoding: Int64) {
        let index = waiting.firstIndex { $0 > presentation } ?? waiting.count
        waiting.insert(presentation, at: index)
        if let earliest { ceiling = earliest }
        var decoding: Int64
        if waiting.count > depth {
            decoding = waiting[waiting.count - depth - 1]
            waiting.removeFirst(waiting.count - depth)
            ceiling = nil
        } else if let latest {
            // There are more pictures to come than times to decode them at: they share what lies before the first.
            let end = min(waiting[0], ceiling ?? .max)
            decoding = latest &+ (end &- latest) / Int64(depth - waiting.count + 2)
        } else {
            decoding = presentation &- Int64(depth) &* duration
        }
        if let latest, decoding <= latest { decoding = latest &+ 1 }
        latest = decoding
        return (max(presentation, decoding), decoding)
    }

    mutating func clear() { self = ReorderQueue() }
}
