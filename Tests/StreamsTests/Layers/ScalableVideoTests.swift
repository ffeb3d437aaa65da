import Codecs
import RTP
import Streams
import TestKit
import Testing
import Wire

/// RTP-113, RTP-114, RTP-115, RTP-29, RTP-30: layers inside one stream.
@Suite struct ScalableVideoTests {
    /// A publisher of one layered stream that answers keyframe requests after a round trip.
    final class Scalable {
        static let viewerDescriptorID: UInt8 = 7
        let harness = RoomHarness()
        let publisher = FakePublisher(1)
        let viewer = FakeViewer(2)
        let sink = FakeSink()
        var source: LayeredSource
        private var isFirst = true
        private var keyAt: Instant?
        private(set) var requests = 0

        init(_ scheme: LayeredSource.Scheme) throws {
            source = LayeredSource(scheme)
            let format = TrackFormat(codec: scheme.codec)
            try harness.publish(
                publisher, [format],
                extensions: HeaderExtensionMap([(.dependencyDescriptor, LayeredSource.descriptorID)]))
            try harness.join(
                viewer, [format], into: sink,
                extensions: HeaderExtensionMap([(.dependencyDescriptor, Self.viewerDescriptorID)]), repair: .sameStream)
            publisher.forgetRequests()
        }

        func picture(_ change: ([[UInt8]]) -> [[UInt8]] = { $0 }) {
            let now = harness.loop.now
            requests += publisher.requests.count
            if !publisher.requests.isEmpty, keyAt == nil { keyAt = now.advanced(byMilliseconds: 120) }
            publisher.forgetRequests()
            var isKey = isFirst
            if let due = keyAt, due <= now {
                isKey = true
                keyAt = nil
            }
            isFirst = false
            harness.deliver(change(source.picture(key: isKey)))
            harness.advance(33)
        }

        func run(_ pictures: Int) { for _ in 0..<pictures { picture() } }

        func choose(_ change: (inout LayerPreference) -> Void) {
            var preference = LayerPreference()
            change(&preference)
            let (track, id, wanted) = (harness.room.track(.video), viewer.peerID, preference)
            _ = harness.loop.run { track.onLoop { $0.chooseLayers(wanted, for: id) } }
        }

        var frames: [ReceivedFrame] { ReceivedFrame.all(in: sink, descriptorID: Self.viewerDescriptorID) }

        /// Every frame whole and decodable, every picture ended by one marker, every number in its place.
        func check(_ location: SourceLocation = #_sourceLocation) {
            let frames = frames
            var decoded: Set<UInt32> = []
            for frame in frames {
                #expect(frame.packets.count == Int(frame.packetCount), sourceLocation: location)
                let missing = frame.references.filter { !decoded.contains($0) }
                guard missing.isEmpty else {
                    Issue.record("\(frame) refers to what was left out", sourceLocation: location)
                    return
                }
                decoded.insert(frame.id)
            }
            for (frame, next) in zip(frames, frames.dropFirst()) {
                let isLast = frame.timestamp != next.timestamp
                #expect(frame.markers == [false, isLast], "\(frame)", sourceLocation: location)
                if frame.markers != [false, isLast] { return }
            }
            #expect(sink.sequenceSteps.allSatisfy { $0 == 1 }, sourceLocation: location)
            #expect(sink.timestampSteps.allSatisfy { $0 >= 0 }, sourceLocation: location)
            switch source.scheme.codec {
            case .vp8: #expect(continuousPictures(sink), sourceLocation: location)
            case .vp9: #expect(risingPictures, sourceLocation: location)
            default:
                let numbers = frames.compactMap(\.frameNumber)
                #expect(numbers.count == frames.count, sourceLocation: location)
                let steps = zip(numbers, numbers.dropFirst()).map { $1 &- $0 }
                #expect(steps.allSatisfy { $0 > 0 && $0 < 100 }, sourceLocation: location)
            }
        }

        /// VP9's pictures keep their distances.
        private var risingPictures: Bool {
            let numbers = sink.sent.compactMap { packet in
                packet.payload.withBytes { try? VP9PayloadDescriptor(parsing: $0) }?.pictureID
            }
            return zip(numbers, numbers.dropFirst()).allSatisfy { ($1 &- $0) & 0x7FFF < 10 }
        }

        /// The highest layers among the last pictures of the source.
        func highest(_ count: UInt32 = 24) -> (spatial: Int, temporal: Int) {
            let frames = frames
            let newest = frames.last?.timestamp ?? 0
            let last = frames.filter { newest &- $0.timestamp < count * 2_970 }
            return (last.map(\.spatial).max() ?? -1, last.map(\.temporal).max() ?? -1)
        }
    }

    @Test(arguments: LayeredSource.Scheme.allCases)
    func everythingPassesWhenNothingIsAsked(_ scheme: LayeredSource.Scheme) throws {
        let scalable = try Scalable(scheme)
        scalable.run(100)
        // Who gets the highest spatial layer by descriptor has no use for the lower ones but in keyframes.
        #expect(scalable.frames.count == (scheme == .av1Key ? 102 : 100 * scheme.spatialLayers))
        #expect(scalable.requests == 0)
        scalable.check()
    }

    @Test(arguments: LayeredSource.Scheme.allCases)
    func temporalLayersAreLeftOutAndComeBackWithoutAKeyframe(_ scheme: LayeredSource.Scheme) throws {
        let scalable = try Scalable(scheme)
        scalable.run(40)
        for wanted in [0, 1, 2, 0, 2, 1] as [UInt8] {
            scalable.choose { $0.temporalLayer = wanted }
            scalable.run(80)
            #expect(scalable.highest().temporal == Int(wanted))
        }
        #expect(scalable.requests == 0)
        scalable.check()
    }

    @Test(arguments: LayeredSource.Scheme.allCases.filter { $0 != .vp8 })
    func spatialLayersAreChosenByHand(_ scheme: LayeredSource.Scheme) throws {
        let scalable = try Scalable(scheme)
        scalable.run(40)
        for wanted in [0, 2, 1, 0, 1, 2] as [UInt8] {
            scalable.choose { $0.spatialLayer = wanted }
            scalable.run(60)
            #expect(scalable.highest().spatial == Int(wanted), "\(wanted)")
        }
        scalable.check()
    }

    @Test(arguments: LayeredSource.Scheme.allCases)
    func aHundredChangesAtRandomLeaveNothingUndecodable(_ scheme: LayeredSource.Scheme) throws {
        let scalable = try Scalable(scheme)
        var random = SplitMix64(seed: 3)
        for _ in 0..<100 {
            scalable.choose {
                $0.spatialLayer = UInt8.random(in: 0..<3, using: &random)
                $0.temporalLayer = UInt8.random(in: 0..<3, using: &random)
            }
            scalable.run(Int.random(in: 1..<40, using: &random))
        }
        scalable.check()
    }

    @Test(arguments: LayeredSource.Scheme.allCases)
    func aLinkBetweenTwoLayersCarriesTheLowerOne(_ scheme: LayeredSource.Scheme) throws {
        let scalable = try Scalable(scheme)
        scalable.run(90)
        let (track, id) = (scalable.harness.room.track(.video), scalable.viewer.peerID)
        let layers = scalable.harness.loop.run { track.onLoop { $0.availableLayers } }
        #expect(layers.count == 3 * scheme.spatialLayers)
        if scheme != .vp8 { #expect(Set(layers.map(\.width)) == [320, 640, 1_280]) }
        let all = try #require(layers.last?.bitsPerSecond)
        let half = try #require(layers.dropLast().last?.bitsPerSecond)
        scalable.sink.videoBitsPerSecond = (all + half) / 2
        scalable.run(60)
        #expect(scalable.highest().temporal == 1)
        #expect(scalable.highest().spatial == scheme.spatialLayers - 1)
        let lowest = try #require(layers.first?.bitsPerSecond)
        scalable.sink.videoBitsPerSecond = lowest + lowest / 10
        scalable.run(60)
        #expect(scalable.highest(8).spatial == 0)
        #expect(scalable.highest(8).temporal == 0)
        scalable.sink.videoBitsPerSecond = 10_000_000
        scalable.run(500)
        #expect(scalable.highest().spatial == scheme.spatialLayers - 1)
        #expect(scalable.highest().temporal == 2)
        let current = scalable.harness.loop.run { track.onLoop { $0.layers(of: id)?.current } }
        #expect(current == LayerChoice(encoding: 0))
        scalable.check()
    }

    /// RTP-22: what comes late from before a change is judged as it would have been then.
    @Test(arguments: [LayeredSource.Scheme.vp8, .vp9])
    func latePacketsFromBeforeAChangeStillPass(_ scheme: LayeredSource.Scheme) throws {
        let scalable = try Scalable(scheme)
        scalable.run(6)
        var held: [[UInt8]] = []
        // The sixth picture is of temporal layer 1 or 2; its last packet comes after the next picture.
        scalable.picture { packets in
            held = [packets[packets.count - 1]]
            return Array(packets.dropLast())
        }
        scalable.choose { $0.temporalLayer = 0 }
        scalable.run(2)
        scalable.harness.deliver(held)
        let numbers = scalable.sink.sent.map(\.header.sequenceNumber)
        let first = try #require(numbers.first)
        #expect(Set(numbers.map { $0 &- first }).count == numbers.count)
        #expect(numbers.map { $0 &- first }.max() == UInt16(numbers.count - 1), "the gap was filled")
    }

    /// RTP-115: without the structure nobody knows what is what.
    @Test func aKeyframeIsAskedForWhenTheStructureIsLost() throws {
        let scalable = try Scalable(.av1Key)
        scalable.run(20)
        scalable.source.structureOffset = 20
        scalable.choose { $0.spatialLayer = 1 }
        scalable.choose { $0.spatialLayer = 2 }
        #expect(scalable.requests == 0)
        // The first packet of the next keyframe, which brings the new structure, is lost.
        let lost = scalable.source.picture(key: true)
        scalable.harness.deliver(Array(lost.dropFirst()))
        scalable.harness.advance(33)
        let before = scalable.requests
        scalable.run(20)
        #expect(scalable.requests > before)
    }

    /// PROP-5: a packet sent again is the packet that was sent.
    @Test func repairsCarryTheNumbersAndMarkersThatWereSent() throws {
        let scalable = try Scalable(.av1)
        scalable.run(10)
        scalable.choose { $0.spatialLayer = 1 }
        scalable.run(12)
        let before = scalable.sink.packets.count
        let sent = scalable.sink.packets.suffix(8)
        let numbers = sent.compactMap { SentPacket($0)?.header.sequenceNumber }
        var compound: [UInt8] = []
        RTCPWriter.appendNegativeAcknowledgement(sender: 1, media: 42, sequenceNumbers: numbers, to: &compound)
        let (track, id, now) = (scalable.harness.room.track(.video), scalable.viewer.peerID, scalable.harness.loop.now)
        scalable.harness.loop.run {
            compound.withBytes { bytes in
                var packets = RTCPIterator()
                guard case .negativeAcknowledgement(_, _, let lost) = try? packets.next(in: bytes) else { return }
                track.onLoop { $0.sendAgain(lost, in: bytes, to: id, roundTripNanoseconds: 0, at: now) }
            }
        }
        #expect(Array(scalable.sink.packets.dropFirst(before)) == Array(sent))
    }
}
