public import RTP
public import Wire

/// What a publication brings to one track.
public struct PublicationLane: Sendable {
    public var format: TrackFormat
    /// The publisher's ids of header extensions in this lane.
    public var extensions: HeaderExtensionMap
    /// How many encodings of the same content arrive: 1, or the number of simulcast layers.
    public var layerCount: Int

    public init(format: TrackFormat, extensions: HeaderExtensionMap, layerCount: Int = 1) {
        self.format = format
        self.extensions = extensions
        self.layerCount = max(1, layerCount)
    }
}

/// One publisher's generation feeding the room's tracks: its formats and its clocks. A restart is a new publication.
///
/// The clocks of all lanes are kept together so that audio and video of one publisher stay aligned in every report
/// that viewers get (RTP-70). Lives on the room's loop.
public actor Publication: LoopActor {
    public nonisolated let generation: UInt32
    public nonisolated let lanes: [PublicationLane]
    public nonisolated let loop: any LoopExecutor
    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe loop.asUnownedSerialExecutor() }

    private var clocks = PublisherClocks()

    public init(generation: UInt32, lanes: [PublicationLane], loop: any LoopExecutor) {
        self.generation = generation
        self.lanes = lanes
        self.loop = loop
    }
}
