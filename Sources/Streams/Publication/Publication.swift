import Codecs
public import RTP
public import Wire

/// What a publication brings to one track.
public struct PublicationLane: Sendable {
    public var format: TrackFormat
    /// The publisher's ids of header extensions in this lane.
    public var extensions: HeaderExtensionMap
    /// How many encodings of the same content arrive: 1, or the number of simulcast layers.
    public var layerCount: Int
    /// What the publisher calls them (RFC 8851), in their order; may be empty.
    public var encodingNames: [String]
    /// H.264 and H.265 parameter sets that were announced beforehand, as NAL units without start code.
    public var parameterSets: [[UInt8]]
    /// Whether a way to ask the publisher for keyframes was agreed. Many that agree ignore what they are asked.
    public var answersKeyframeRequests: Bool

    public init(
        format: TrackFormat, extensions: HeaderExtensionMap, layerCount: Int = 1, encodingNames: [String] = [],
        parameterSets: [[UInt8]] = [], answersKeyframeRequests: Bool = true
    ) {
        self.format = format
        self.extensions = extensions
        self.layerCount = min(max(1, layerCount), TrackLayers.maximumEncodings)
        self.encodingNames = encodingNames
        self.parameterSets = parameterSets
        self.answersKeyframeRequests = answersKeyframeRequests
    }
}

/// One publisher's generation feeding the room's tracks: its formats and its clocks. A restart is a new publication.
///
/// The clocks of all lanes and layers are kept together, so that audio and video of one publisher stay aligned in
/// every report that viewers get (RTP-70). Lives on the room's loop.
public actor Publication: LoopActor {
    public nonisolated let generation: UInt32
    public nonisolated let lanes: [PublicationLane]
    public nonisolated let loop: any LoopExecutor

    private var clock = PublisherClock()
    /// How much sound packets hold.
    private var soundSpan: SoundSpan?
    /// What the times of a rendition come from; nil for publications of their own.
    private var rendition: RenditionSource?
    /// The clock's lane number of the first layer of each kind.
    private var firstAudio = 0
    private var firstVideo = 0
    /// By lane: from the time that timestamps give to that which capture times give.
    private var captureShifts: [Int64] = []
    /// A capture time further from its timestamp's is none.
    private static let largestCaptureShift: Int64 = 10_000_000_000
    /// When the publisher last said what its clocks show.
    private(set) var lastReport: Instant?

    init(generation: UInt32, lanes: [PublicationLane], loop: any LoopExecutor) {
        self.generation = generation
        self.lanes = lanes
        self.loop = loop
        rendition = nil
        soundSpan = lanes.first { $0.format.kind == .audio }.map { SoundSpan($0.format.payloadDescription) }
        for lane in lanes {
            for layer in 0..<lane.layerCount {
                captureShifts.append(0)
                let number = clock.addLane(clockRate: lane.format.clockRate)
                guard layer == 0 else { continue }
                if lane.format.kind == .video { firstVideo = number } else { firstAudio = number }
            }
        }
    }

    /// The sound of `original` in another format. Its times are the original's, whatever happens to their clock.
    init(rendition format: TrackFormat, of original: Publication) {
        generation = original.generation
        lanes = [PublicationLane(format: format, extensions: HeaderExtensionMap())]
        loop = original.loop
        soundSpan = nil
        let sound = original.lanes.first { $0.format.kind == .audio }?.format
        rendition = RenditionSource(
            original: original,
            scale: ClockScale(from: sound?.clockRate ?? format.clockRate, to: format.clockRate))
    }

    /// The sound proves to be of another format than was announced, by the same clock.
    func refine(_ sound: TrackFormat) { soundSpan = SoundSpan(sound.payloadDescription) }

    /// A packet of the rendition is about to come, with this time in ticks of its clock without wraps.
    func renders(_ time: Int64) { rendition?.newest = time }

    private func number(_ kind: MediaKind, _ layer: Int) -> Int { (kind == .video ? firstVideo : firstAudio) + layer }

    /// A packet came: when its media was captured, on the server's clock.
    func captured(
        _ packet: RawSpan, _ header: RTPHeader, kind: MediaKind, layer: Int, arrival: Instant
    ) -> Instant {
        if let rendition { return rendition.mapping?.instant(of: header.timestamp) ?? arrival }
        let span = kind == .audio ? soundSpan?.ticks(of: packet.extracting(header.payload)) : nil
        return clock.received(
            timestamp: header.timestamp, span: span ?? 0, lane: number(kind, layer), at: arrival)
    }

    /// The publisher said what its clocks show.
    public func receive(_ report: SenderReport, kind: MediaKind, layer: Int, at now: Instant) {
        lastReport = now
        _ = clock.senderReportReceived(report, lane: number(kind, layer), at: now)
    }

    /// When a packet's media was captured, for viewers who are told (RTP-79): what the publisher says in an
    /// abs-capture-time extension, now and then, counts before what its timestamps and reports say.
    ///
    /// - Parameter captured: what ``captured(_:_:kind:layer:arrival:)`` gave for the packet.
    func captureTime(
        _ captured: Instant, _ extensions: HeaderExtensionIndex, in packet: RawSpan, kind: MediaKind, layer: Int
    ) -> Instant {
        let lane = number(kind, layer)
        guard captureShifts.indices.contains(lane) else { return captured }
        if let ntp = extensions.absCaptureTime(in: packet) {
            let own = ntp &+ UInt64(bitPattern: extensions.absCaptureClockOffset(in: packet))
            let shift = clock.instant(ofNTP: own)?.nanoseconds(since: captured) ?? 0
            captureShifts[lane] = shift.magnitude <= Self.largestCaptureShift.magnitude ? shift : 0
        }
        return captured.advanced(byNanoseconds: UInt64(bitPattern: captureShifts[lane]))
    }

    /// The relation of a layer's timestamps to the server's clock; nil before its first packet.
    func mapping(kind: MediaKind, layer: Int) -> TimestampMapping? {
        if let rendition { return rendition.mapping }
        return clock.mapping(lane: number(kind, layer))
    }
}
