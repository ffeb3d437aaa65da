import Codecs
import Foundation
import Streams
import Synchronization
import TestKit
import Testing

@testable import Server

/// LATM says itself what a decoder is set up with (PAY-42).
@Suite struct InBandConfigurationTests {
    private static func latm(_ parameters: [String: String] = [:]) -> TrackFormat {
        TrackFormat(
            codec: .otherAudio, channels: 2, parameters: parameters.map { .init(name: $0.key, value: $0.value) },
            encodingName: "MP4A-LATM", clockRate: 48_000)
    }

    private static let frame: [UInt8] = [1, 2, 3, 4]

    @Test func theTranscoderIsStartedWhenTheStreamHasToldItsConfiguration() async throws {
        try await SoundScene.with(FakeTranscoder.obliging, publishing: Self.latm()) { scene in
            try await scene.listen()
            let conversion = try await scene.conversion()
            for number in 0..<10 { await scene.send(number, payload: audioMuxElement(Self.frame)) }
            #expect(await conversion.processID == nil)
            #expect(scene.conversions.counters.running.load(ordering: .relaxed) == 0)

            await scene.send(10, payload: audioMuxElement(Self.frame, rateIndex: 3))
            #expect(
                await scene.sendUntil(from: 11, payload: audioMuxElement(Self.frame)) { await scene.packetCount() >= 3 }
            )
            #expect(await eventually { scene.harness.records.text.contains("begins with 1190") })
            #expect(await eventually { scene.events.all == ["converted AAC (LATM) by fake 1"] })
        }
    }

    @Test func anotherConfigurationIsFollowedByTheSameTranscoder() async throws {
        try await SoundScene.with(FakeTranscoder.obliging, publishing: Self.latm()) { scene in
            try await scene.listen()
            let conversion = try await scene.conversion()
            let first = audioMuxElement(Self.frame, rateIndex: 3)
            #expect(await scene.sendUntil(payload: first) { await scene.packetCount() >= 3 })
            let child = try #require(await conversion.processID)
            let before = await scene.packetCount()
            let second = audioMuxElement(Self.frame, rateIndex: 4)
            #expect(await scene.sendUntil(from: 20_000, payload: second) { await scene.packetCount() >= before + 3 })
            #expect(await eventually { scene.harness.records.text.contains("begins with 1210") })
            #expect(await conversion.processID == child)
            // Said with every frame, and followed once.
            let text = scene.harness.records.text
            #expect(text.components(separatedBy: "begins with 1190").count == 2)
            #expect(text.components(separatedBy: "begins with 1210").count == 2)
        }
    }

    @Test func whatTheDescriptionSaysHoldsUntilTheStreamSaysSomethingElse() async throws {
        let announced = Self.latm(["config": "400023203FC0"])
        try await SoundScene.with(FakeTranscoder.obliging, publishing: announced) { scene in
            try await scene.listen()
            let conversion = try await scene.conversion()
            #expect(await eventually { await conversion.processID != nil }, "before the first frame")
            let same = audioMuxElement(Self.frame, rateIndex: 3)
            #expect(await scene.sendUntil(payload: same) { await scene.packetCount() >= 3 })
            let text = scene.harness.records.text
            #expect(text.components(separatedBy: "begins with").count == 2)
        }
    }

    @Test func aStreamThatNeverTellsIsSaidSo() async throws {
        var timing = SoundConversionTiming()
        timing.configurationMilliseconds = 50
        try await SoundScene.with(FakeTranscoder.obliging, publishing: Self.latm(), timing: timing) { scene in
            try await scene.listen()
            let reason = "omitted AAC (LATM): neither its description nor the stream tells its configuration"
            #expect(await eventually { scene.events.all == [reason] })
            // It may tell yet.
            let element = audioMuxElement(Self.frame, rateIndex: 3)
            #expect(await scene.sendUntil(payload: element) { await scene.packetCount() >= 3 })
            #expect(scene.events.all == [reason, "converted AAC (LATM) by fake 1"])
        }
    }

    @Test func whereTheStreamDoesNotTellTheDescriptionMust() async throws {
        try await SoundScene.with(FakeTranscoder.obliging, publishing: Self.latm(["cpresent": "0"])) { scene in
            #expect(await scene.harness.service.viewerFormats(of: scene.entry.room).first?.codec == .otherAudio)
            #expect(
                await eventually { scene.events.all == ["omitted AAC (LATM): it cannot be converted in this version"] })
        }
    }
}
