import Codecs
import RTP
import Streams
import TestKit
import Wire

/// A room on a loop that the test drives.
final class RoomHarness {
    let loop = ManualLoop()
    let log = EventLog()
    let room: Room
    private(set) var publication: Publication?

    init(_ policy: RoomPolicy = RoomPolicy()) {
        room = Room(name: "cam1", loop: loop, policy: policy, firstTrackID: 1, observer: log.observer)
    }

    static let vp8 = TrackFormat(codec: .vp8)
    static let h264 = TrackFormat(codec: .h264)
    static let opus = TrackFormat(codec: .opus, channels: 2)

    @discardableResult
    func publish(
        _ publisher: any PublisherHandle, _ formats: [TrackFormat] = [vp8], layers: Int = 1,
        names: [String] = [], extensions: HeaderExtensionMap = HeaderExtensionMap(), parameterSets: [[UInt8]] = [],
        answersKeyframeRequests: Bool = true, isBackup: Bool = false
    ) throws(RoomError) -> Publication {
        let lanes = formats.map {
            PublicationLane(
                format: $0, extensions: extensions, layerCount: $0.kind == .video ? layers : 1,
                encodingNames: $0.kind == .video ? names : [],
                parameterSets: parameterSets, answersKeyframeRequests: answersKeyframeRequests)
        }
        let made = try loop.run { () throws(RoomError) in
            try room.onLoop { room throws(RoomError) in
                try room.publish(publisher, lanes: lanes, isBackup: isBackup)
            }
        }
        publication = made
        return made
    }

    func unpublish(_ publisher: FakePublisher, _ reason: PublicationEnd = .stoppedByPublisher) {
        loop.run { room.onLoop { $0.unpublish(publisher.peerID, reason: reason) } }
    }

    /// Lets a viewer in and gives it a DownTrack of each format.
    @discardableResult
    func join(
        _ viewer: FakeViewer, _ formats: [TrackFormat] = [vp8], into sink: FakeSink = FakeSink(),
        extensions: HeaderExtensionMap = HeaderExtensionMap(), repair: DownTrackFormat.Repair? = nil
    ) throws(RoomError) -> FakeSink {
        try loop.run { () throws(RoomError) in
            try room.onLoop { room throws(RoomError) in try room.join(viewer) }
        }
        for format in formats { add(viewer, format, sink, extensions: extensions, repair: repair) }
        return sink
    }

    @discardableResult
    func add(
        _ viewer: FakeViewer, _ format: TrackFormat, _ sink: FakeSink,
        extensions: HeaderExtensionMap = HeaderExtensionMap(), repair: DownTrackFormat.Repair? = nil
    ) -> Bool {
        let isVideo = format.kind == .video
        let track = room.track(format.kind)
        var made = DownTrackFormat(
            track: format, payloadType: isVideo ? 100 : 109, ssrc: isVideo ? 42 : 43, extensions: extensions, mid: [],
            firstSequenceNumber: 0x8000 | 200, firstTimestamp: 4_294_900_000, canonicalName: "viewer")
        made.repair = repair
        return loop.run { track.onLoop { $0.add(DownTrack(viewer: viewer.peerID, format: made, sink: sink)) } }
    }

    /// A viewer says that it cannot go on without a keyframe.
    func pictureLost(_ viewer: FakeViewer) {
        loop.run { room.track(.video).onLoop { $0.pictureLost(by: viewer.peerID) } }
    }

    /// A viewer asks for video packets again.
    func sendAgain(_ sequenceNumbers: [UInt16], to viewer: FakeViewer) {
        var compound: [UInt8] = []
        RTCPWriter.appendNegativeAcknowledgement(
            sender: 1, media: 42, sequenceNumbers: sequenceNumbers, to: &compound)
        let now = loop.now
        loop.run {
            compound.withBytes { bytes in
                var packets = RTCPIterator()
                guard let packet = try? packets.next(in: bytes), case .negativeAcknowledgement(_, _, let lost) = packet
                else { return }
                room.track(.video).onLoop {
                    $0.sendAgain(lost, in: bytes, to: viewer.peerID, roundTripNanoseconds: 0, at: now)
                }
            }
        }
    }

    func leave(_ viewer: FakeViewer) { loop.run { room.onLoop { $0.leave(viewer.peerID) } } }

    /// Gives packets to a track in one turn, by way of the room.
    @discardableResult
    func deliver(
        _ packets: [[UInt8]], _ kind: MediaKind = .video, layer: Int = 0, of publication: Publication? = nil
    ) -> [Bool] {
        guard let publication = publication ?? self.publication else { return [] }
        let (room, now) = (room, loop.now)
        return loop.run {
            packets.map { packet in
                packet.withBytes { bytes in
                    guard let header = try? RTPHeader(parsing: bytes) else { return false }
                    return room.onLoop {
                        $0.receive(
                            bytes, header: header, kind: kind, layer: layer, generation: publication.generation,
                            at: now)
                    }
                }
            }
        }
    }

    var snapshot: RoomSnapshot { loop.run { room.onLoop { $0.snapshot } } }
    var statistics: TrackStatistics { loop.run { room.track(.video).onLoop { $0.statistics } } }
    func advance(_ milliseconds: UInt64) { loop.advance(byMilliseconds: milliseconds) }
}
