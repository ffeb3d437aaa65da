/// The replay windows of the SSRCs that one receiver follows: one for each, made at its first authentic packet.
struct ReplayTable {
    private struct Stream {
        let ssrc: UInt32
        var seen: ReplayWindow
    }

    private let window: Int
    private let maximumStreams: Int
    private var streams: [Stream] = []
    private var latest = 0

    /// - Parameters:
    ///   - window: how many indices behind the newest a packet may be; a multiple of 64.
    ///   - maximumStreams: SSRCs at most; their room is taken at once, so that later ones allocate their window alone.
    init(window: Int, maximumStreams: Int) {
        self.window = window
        self.maximumStreams = maximumStreams
        streams.reserveCapacity(maximumStreams)
    }

    /// Where `ssrc` is kept; nil when nothing authentic came from it yet.
    mutating func position(of ssrc: UInt32) -> Int? {
        if latest < streams.count, streams[latest].ssrc == ssrc { return latest }
        guard let found = streams.firstIndex(where: { $0.ssrc == ssrc }) else { return nil }
        latest = found
        return found
    }

    /// The greatest index accepted of the stream at `position`.
    func highest(at position: Int) -> UInt64 { streams[position].seen.highest }

    /// Refuses an index that was accepted already or is too old to tell. Nothing is remembered by that.
    func check(_ index: UInt64, at position: Int) throws(SRTPError) {
        switch streams[position].seen.verdict(index) {
        case .repeated: throw .replayed
        case .tooOld: throw .tooOld
        case .fresh: break
        }
    }

    /// Remembers the index of an authentic packet; `position` is what ``position(of:)`` said of its SSRC.
    mutating func accept(_ index: UInt64, of ssrc: UInt32, at position: Int?) throws(SRTPError) {
        if let position { return streams[position].seen.insert(index) }
        guard streams.count < maximumStreams else { throw .tooManyStreams }
        streams.append(Stream(ssrc: ssrc, seen: ReplayWindow(size: window, first: index)))
    }
}
