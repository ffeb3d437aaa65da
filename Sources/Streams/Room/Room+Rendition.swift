import RTP
public import Wire

/// Who makes a rendition of a room's sound: the same sound in a format that viewers take who cannot take the publisher's.
///
/// Everything is called on the room's loop and has to return at once. It gets frames as any ``FrameConsumer`` of the
/// audio track does, and gives packets back by ``Room/renditionReceived(_:time:isContinuous:at:)``.
public protocol SoundConverter: AnyObject, Sendable {
    /// What sound of this format is converted to; nil where it is taken as it comes, or is never converted. Listeners stay
    /// for it, also while nothing can be converted.
    nonisolated func rendition(of format: TrackFormat) -> TrackFormat?

    /// Whether sound of this format can be converted at the moment; viewers who come while it cannot are offered none.
    nonisolated func canRender(_ format: TrackFormat) -> Bool

    /// How many viewers listen to the rendition from now on.
    nonisolated func listenersChanged(to count: Int)

    /// The room is over.
    nonisolated func roomEnded()
}

/// The rendition of a room's sound is a track of its own with the publication's times, so that a viewer's picture and
/// sound stay together. Viewers of either track go over to the other when a publisher comes whose sound fits there.
extension Room {
    /// Has the room's sound converted where that is of use, from the next publication on.
    public func convertSound(by converter: any SoundConverter) { self.converter = converter }

    public var soundConverter: (any SoundConverter)? { converter }

    /// The formats that viewers can be sent who do not take every one, video first: in place of sound that has a
    /// rendition, the rendition.
    public var renditionFormats: [TrackFormat] {
        formats.map { format in
            guard format.kind == .audio else { return format }
            return activeRendition ?? format
        }
    }

    /// The rendition of what is published now, made ready when there was no use for it before.
    private var activeRendition: TrackFormat? {
        guard let source = active ?? standbys.first, let sound = source.lane(.audio)?.format,
            let converter, let format = converter.rendition(of: sound), converter.canRender(sound)
        else { return nil }
        if let active, renditionFeed.publication == nil {
            feedRendition(format, from: active.publication, isSwitch: false)
        }
        return format
    }

    /// Adds a viewer's side of the track that has its format, or of the rendition when that has it.
    ///
    /// - Returns: false, and the viewer gets nothing, when neither has the format any more.
    public func add(_ downTrack: sending DownTrack) -> Bool {
        let format = downTrack.format.track
        guard format.kind == .audio, let sound = audio.onLoop({ $0.format }), !format.isInterchangeable(with: sound)
        else { return track(format.kind).onLoop { $0.add(downTrack) } }
        // While nobody publishes, viewers wait for what was there last.
        guard renditionFeed.publication != nil || active == nil else { return false }
        let wasAdded = rendition.onLoop { $0.format != nil && $0.add(downTrack) }
        noteListeners()
        return wasAdded
    }

    /// Takes one converted packet.
    ///
    /// - Parameters:
    ///   - payload: what the packet holds behind its header.
    ///   - time: of its first sample, in ticks of the rendition's clock without wraps: the original's presentation time,
    ///     scaled from zero.
    ///   - isContinuous: whether its time goes on from the packet before it.
    public func renditionReceived(_ payload: RawSpan, time: Int64, isContinuous: Bool, at now: Instant) {
        guard let publication = renditionFeed.publication else { return }
        if !isContinuous { renditionFeed.begin() }
        publication.onLoop { $0.renders(time) }
        let packet = renditionFeed.packet(payload, time: time)
        packet.withBytes { bytes in
            guard let header = try? RTPHeader(parsing: bytes) else { return }
            _ = rendition.onLoop {
                $0.receive(bytes, header: header, layer: 0, generation: publication.generation, at: now)
            }
        }
    }

    /// What the rendition has brought and sent.
    public var renditionStatistics: TrackStatistics { rendition.onLoop { $0.statistics } }

    // MARK: publications

    /// Lets viewers go over between the sound and its rendition before another publication comes.
    func moveListeners(sound: TrackFormat?, rendition format: TrackFormat?) {
        guard let sound else { return }
        let back = rendition.onLoop { $0.takeDownTracks { $0.isInterchangeable(with: sound) } }
        var over: [DownTrack] = []
        if let format {
            over = audio.onLoop {
                $0.takeDownTracks { !$0.isInterchangeable(with: sound) && $0.isInterchangeable(with: format) }
            }
        }
        if !back.isEmpty { audio.onLoop { $0.adopt(back) } }
        if !over.isEmpty { rendition.onLoop { $0.adopt(over) } }
    }

    /// Feeds the rendition from `publication`. Viewers that cannot follow are ended.
    ///
    /// - Parameter format: nil when there is no rendition any more.
    func feedRendition(_ format: TrackFormat?, from original: Publication, isSwitch: Bool) {
        endRendition(isEnd: !isSwitch)
        let ended: [PeerID]
        if let format {
            let publication = Publication(rendition: format, of: original)
            let lane = PublicationLane(format: format, extensions: HeaderExtensionMap())
            ended = rendition.onLoop {
                $0.attach(publication, lane: lane, publisher: RenditionPublisher(), isSwitch: isSwitch)
            }
            renditionFeed.publication = publication
            renditionFeed.begin()
        } else {
            ended = rendition.onLoop { $0.takeDownTracks { _ in true }.map(\.viewer) }
        }
        noteListeners()
        for viewer in ended { endViewer(viewer, .codecChanged) }
    }

    /// - Parameter isEnd: whether viewers are told that nothing follows for now.
    func endRendition(isEnd: Bool = true) {
        rendition.onLoop { $0.detach(isEnd: isEnd) }
        renditionFeed.publication = nil
    }

    /// Tells the converter how many listen, when that has changed.
    func noteListeners() {
        let count = rendition.onLoop { $0.viewerCount }
        guard count != renditionListeners else { return }
        renditionListeners = count
        converter?.listenersChanged(to: count)
    }

    func endConversion() {
        endRendition()
        converter?.roomEnded()
        converter = nil
    }
}

/// Numbers the packets of a rendition.
struct RenditionFeed {
    /// What it is numbered for; nil while there is no rendition.
    var publication: Publication?
    /// Another one where times do not go on, by which viewers know a new beginning.
    private var ssrc: UInt32 = 0
    private var sequenceNumber: UInt16 = 0

    mutating func begin() { ssrc &+= 1 }

    mutating func packet(_ payload: RawSpan, time: Int64) -> [UInt8] {
        var packet: [UInt8] = []
        packet.reserveCapacity(RTPHeader.minimumSize + payload.byteCount)
        packet.append(0x80)
        packet.append(Self.payloadType)
        packet.append(bigEndian: sequenceNumber)
        packet.append(bigEndian: UInt32(truncatingIfNeeded: time))
        packet.append(bigEndian: ssrc)
        packet.append(contentsOf: payload)
        sequenceNumber &+= 1
        return packet
    }

    /// Viewers get theirs.
    private static let payloadType: UInt8 = 96
}

/// Who publishes a rendition; never asked for anything.
private final class RenditionPublisher: PublisherHandle {
    let peerID = PeerID(0)
    func requestKeyframe(_ kind: MediaKind, layer: Int) {}
    func wasReplaced() {}
}
