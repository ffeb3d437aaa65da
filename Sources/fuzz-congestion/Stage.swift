import Codecs
import RTP
import Streams
import TestKit
import Wire

/// A publisher of simulcast and one viewer of it, whose feedback is the fuzzer's.
final class Stage {
    static let media: UInt32 = 42
    static let layers = 2

    let loop = ManualLoop()
    let link = Link()
    private let room: Room
    private let publication: Publication
    private let publisher = Publisher()
    private let viewer = Viewer()
    private var sequenceNumbers: [UInt16] = [0, 0]
    private var timestamp: UInt32 = 0
    private(set) var requests = 0

    init?() {
        link.now = loop.now
        room = Room(name: "fuzz", loop: loop, policy: RoomPolicy(), firstTrackID: 1) { _ in }
        let format = TrackFormat(codec: .vp8)
        let lane = PublicationLane(format: format, extensions: HeaderExtensionMap(), layerCount: Self.layers)
        let made = loop.run { [room, publisher] in
            room.onLoop { room -> Publication? in try? room.publish(publisher, lanes: [lane]) }
        }
        guard let made else { return nil }
        publication = made
        var wanted = DownTrackFormat(
            track: format, payloadType: 100, ssrc: Self.media,
            extensions: HeaderExtensionMap([(.transportWideCC, Link.numberID)]), mid: [], firstSequenceNumber: 200,
            firstTimestamp: 7, canonicalName: "viewer")
        wanted.repair = .ownStream(payloadType: 101, ssrc: 44, firstSequenceNumber: 9)
        loop.run { [room, viewer, link, wanted] in
            room.onLoop { try? $0.join(viewer) }
            _ = room.track(.video).onLoop {
                $0.add(DownTrack(viewer: viewer.peerID, format: wanted, sink: link))
            }
        }
    }

    func advance(_ milliseconds: UInt64) {
        for _ in 0..<(milliseconds + 4) / 5 {
            loop.advance(byMilliseconds: 5)
            link.advance(to: loop.now)
        }
    }

    /// A picture of both layers.
    func picture(key: Bool, packets: Int, size: Int) {
        timestamp &+= 3_000
        let (generation, now) = (publication.generation, loop.now)
        link.now = now
        for layer in 0..<Self.layers {
            for index in 0..<packets {
                var payload: [UInt8] = [index == 0 ? 0x10 : 0, key ? 0x10 : 0x11, 0, 0, 0x9D, 1, 0x2A, 64, 1, 180, 0]
                payload += Array(repeating: 0x55, count: size / (layer + 1))
                let packet = [UInt8].written(capacity: 12 + payload.count) { output in
                    RTPHeader.append(
                        payloadType: 96, marker: index == packets - 1, sequenceNumber: sequenceNumbers[layer],
                        timestamp: timestamp, ssrc: UInt32(layer + 1), hasExtension: false, to: &output)
                    payload.withBytes { output.append(contentsOf: $0) }
                }
                sequenceNumbers[layer] &+= 1
                loop.run { [room] in
                    packet.withBytes { bytes in
                        guard let header = try? RTPHeader(parsing: bytes) else { return }
                        _ = room.onLoop {
                            $0.receive(
                                bytes, header: header, kind: .video, layer: layer, generation: generation, at: now)
                        }
                    }
                }
            }
        }
    }

    /// What the viewer's peer does with what its viewer says.
    func feedback(_ compound: RawSpan) {
        let now = loop.now
        link.now = now
        var packets = RTCPIterator()
        while let packet = try? packets.next(in: compound) {
            switch packet {
            case .transportFeedback(let feedback): link.controller.received(feedback, in: compound, at: now)
            case .receiverEstimatedBitrate(let estimate, _):
                link.controller.received(receiverEstimate: estimate.bitsPerSecond, at: now)
            case .receiverReport(_, let blocks):
                for index in 0..<blocks.count {
                    guard let block = blocks.block(at: index, in: compound) else { continue }
                    link.controller.received(fractionLost: block.fractionLost, at: now)
                }
            case .negativeAcknowledgement(_, _, let lost):
                loop.run { [room, viewer] in
                    room.track(.video).onLoop {
                        $0.sendAgain(lost, in: compound, to: viewer.peerID, roundTripNanoseconds: 0, at: now)
                    }
                }
            case .pictureLossIndication, .fullIntraRequest:
                loop.run { [room, viewer] in room.track(.video).onLoop { $0.pictureLost(by: viewer.peerID) } }
            default: break
            }
        }
    }

    /// Whatever the viewer says, what is estimated, kept and sent stays within its bounds.
    func check() {
        let statistics = link.controller.snapshot
        if let estimate = statistics.estimatedBitsPerSecond {
            let settings = BandwidthEstimator.Settings()
            precondition(Double(estimate) <= settings.mostBitsPerSecond)
        }
        precondition(statistics.queuedBytes <= Pacer.byteLimit * 2)
        precondition(statistics.queueMilliseconds >= 0)
        // RTP-47: half of the stream, and what may be spent at the start.
        precondition(link.repairBytes <= link.mediaBytes + 128 << 10)
    }
}

private final class Publisher: PublisherHandle {
    let peerID = PeerID(1)
    func requestKeyframe(_ kind: MediaKind, layer: Int) {}
    func wasReplaced() {}
}

private final class Viewer: ViewerHandle {
    let peerID = PeerID(2)
    func end(_ reason: ViewerEnd) {}
}
