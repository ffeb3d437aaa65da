import Codecs
import Conversion
import Foundation
import Glibc
import Loop
import RTP
import Streams
import Synchronization
import TestKit
import Testing
import Wire

@testable import Server

/// Conversions with a program of a few lines in the transcoder's place.
@Suite struct SoundConversionTests {
    @Test func framesBecomePacketsWhileSomebodyListens() async throws {
        var timing = SoundConversionTiming()
        timing.stayMilliseconds = 20
        try await SoundScene.with(FakeTranscoder.obliging, timing: timing) { scene in
            let conversion = try await scene.conversion()
            await scene.send(0)
            #expect(await conversion.processID == nil, "nobody listens")
            try await scene.listen()
            #expect(await scene.sendUntil(from: 1) { await scene.packetCount() >= 5 })
            #expect(await scene.entry.room.formats == [SoundScene.aac])
            let sink = scene.sink
            let headers = await scene.entry.loop.run {
                sink.packets.compactMap { $0.withBytes { try? RTPHeader(parsing: $0) } }
            }
            for (last, next) in zip(headers, headers.dropFirst()) {
                #expect(next.sequenceNumber == last.sequenceNumber &+ 1)
                #expect((next.timestamp &- last.timestamp) % 1_024 == 0)
            }
            #expect(await eventually { scene.events.all.contains("converted AAC by fake 1") })
            let counters = scene.conversions.counters
            #expect(counters.running.load(ordering: .relaxed) == 1)
            #expect(counters.packets.load(ordering: .relaxed) >= 5)

            await scene.entry.room.leave(PeerID(1_001))
            #expect(await eventually { await conversion.processID == nil })
            #expect(counters.running.load(ordering: .relaxed) == 0)
            #expect(counters.restarts.load(ordering: .relaxed) == 0)
        }
    }

    @Test func aTranscoderThatEndsIsStartedAgain() async throws {
        try await SoundScene.with(FakeTranscoder.obliging) { scene in
            try await scene.listen()
            let conversion = try await scene.conversion()
            #expect(await scene.sendUntil { await scene.packetCount() >= 3 })
            let first = try #require(await conversion.processID)
            kill(first, SIGKILL)
            let before = await scene.packetCount()
            #expect(
                await scene.sendUntil(from: 10_000) {
                    guard let second = await conversion.processID, second != first else { return false }
                    return await scene.packetCount() >= before + 3
                })
            #expect(scene.conversions.counters.restarts.load(ordering: .relaxed) == 1)
            #expect(scene.conversions.counters.restarting.load(ordering: .relaxed) == 0)
            #expect(await eventually { scene.harness.records.text.contains("ended by signal 9") })
        }
    }

    @Test func oneThatStandsStillIsReplacedAndNothingPilesUp() async throws {
        var timing = SoundConversionTiming()
        timing.stallMilliseconds = 50
        try await SoundScene.with(FakeTranscoder.deaf, timing: timing) { scene in
            try await scene.listen()
            let counters = scene.conversions.counters
            #expect(await scene.sendUntil { counters.restarts.load(ordering: .relaxed) >= 1 })
            #expect(counters.droppedFrames.load(ordering: .relaxed) >= 1)
            // The log has a queue of its own.
            #expect(await eventually { scene.harness.records.text.contains("stood still") })
        }
    }

    @Test func oneThatAnsweredLongAgoForWantOfWorkIsNoneThatStandsStill() {
        var standstill = SoundTranscoder.Standstill()
        standstill.ended()
        #expect(standstill.milliseconds(at: .seconds(100)) == 0)
        for second in [100, 101, 102] as [UInt64] { standstill.refused(at: .seconds(second)) }
        #expect(standstill.milliseconds(at: .seconds(103)) == 3_000)
        standstill.ended()
        #expect(standstill.milliseconds(at: .seconds(104)) == 0)
    }

    @Test func aBurstThatIsNotTakenAtOnceEndsNothing() async throws {
        try await SoundScene.with(FakeTranscoder.obliging) { scene in
            try await scene.listen()
            #expect(await scene.sendUntil { await scene.packetCount() >= 3 })
            let conversion = try await scene.conversion()
            let child = try #require(await conversion.processID)

            // Up to the first frame that is not taken.
            kill(child, SIGSTOP)
            let counters = scene.conversions.counters
            let dropped = counters.droppedFrames.load(ordering: .relaxed)
            for number in 10_000..<20_000 where counters.droppedFrames.load(ordering: .relaxed) == dropped {
                await scene.send(number)
            }
            #expect(counters.droppedFrames.load(ordering: .relaxed) > dropped)
            #expect(await conversion.processID == child)
            kill(child, SIGCONT)
            let before = await scene.packetCount()
            #expect(await eventually { await scene.packetCount() > before })
            #expect(counters.restarts.load(ordering: .relaxed) == 0)
        }
    }

    @Test func packetsOfWhatCameBeforeAreNotPassedOn() async throws {
        try await SoundScene.with(FakeTranscoder.late) { scene in
            try await scene.listen()
            await scene.send(0)
            let counters = scene.conversions.counters
            var number = 1
            let hasPacket = await eventually(seconds: 20) {
                await scene.send(number, time: 1_000_000 + number * 1_024)
                number += 1
                return counters.packets.load(ordering: .relaxed) >= 1
            }
            #expect(hasPacket)
            #expect(counters.packets.load(ordering: .relaxed) == 1)
        }
    }

    @Test func aRunningConversionFollowsReloadedSettings() async throws {
        var timing = SoundConversionTiming()
        timing.settingsMilliseconds = 0
        try await SoundScene.with(FakeTranscoder.obliging, timing: timing) { scene in
            try await scene.listen()
            let conversion = try await scene.conversion()
            #expect(await scene.sendUntil { await scene.packetCount() >= 3 })
            scene.current.change { $0.everyPath { $0.convertAudio = false } }
            #expect(await scene.sendUntil(from: 1_000) { await conversion.processID == nil })
            let reason = "omitted AAC: convertAudio is off for this path"
            #expect(await eventually { scene.events.all.contains(reason) })
            #expect(scene.viewer.ends.isEmpty)

            let before = await scene.packetCount()
            scene.current.change { $0.everyPath { $0.convertAudio = true } }
            #expect(await scene.sendUntil(from: 30_000) { await scene.packetCount() >= before + 3 })
            #expect(scene.conversions.counters.restarts.load(ordering: .relaxed) == 0)
        }
    }

    @Test func noMoreTranscodersRunThanMay() async throws {
        try await SoundScene.with(FakeTranscoder.obliging) { scene in
            scene.current.change { $0.maxTranscoders = 1 }
            try await scene.listen()
            let conversion = try await scene.conversion()
            #expect(await eventually { await conversion.processID != nil })
            let child = try #require(await conversion.processID)
            let counters = scene.conversions.counters
            // Another room's takes the place of this one's.
            counters.running.add(1, ordering: .relaxed)
            kill(child, SIGKILL)
            #expect(await eventually { counters.refused.load(ordering: .relaxed) >= 1 })
            #expect(await conversion.processID == nil)
            #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [SoundScene.aac])
            let reason = "omitted AAC: as many transcoders run as may: 1 (maxTranscoders)"
            #expect(await eventually { scene.events.all.contains(reason) })
            #expect(scene.events.all.count { $0 == reason } == 1, "said once")

            counters.running.subtract(1, ordering: .relaxed)
            #expect(await eventually { await conversion.processID != nil })
            #expect(counters.running.load(ordering: .relaxed) == 1)
        }
    }

    @Test func listenersOutliveAPublisherWhoReturnsWhileThereIsNoTranscoder() async throws {
        var timing = SoundConversionTiming()
        timing.lookupMilliseconds = 0
        timing.longestPauseMilliseconds = 400
        try await SoundScene.with(FakeTranscoder.obliging, timing: timing) { scene in
            try await scene.listen()
            let conversion = try await scene.conversion()
            #expect(await eventually { await conversion.processID != nil })
            let child = try #require(await conversion.processID)
            let elsewhere = scene.file + ".away"
            defer { try? FileManager.default.removeItem(atPath: elsewhere) }
            try FileManager.default.moveItem(atPath: scene.file, toPath: elsewhere)
            kill(child, SIGKILL)
            #expect(await eventually { await conversion.processID == nil })

            let lane = PublicationLane(format: SoundScene.aac, extensions: HeaderExtensionMap())
            await scene.entry.room.unpublish(PeerID(1_000), reason: .stoppedByPublisher)
            var changed = scene
            changed.publication = try await scene.entry.room.publish(SoundPublisher(), lanes: [lane])
            #expect(scene.viewer.ends.isEmpty)
            #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [SoundScene.aac])

            try FileManager.default.moveItem(atPath: elsewhere, toPath: scene.file)
            let returned = changed
            #expect(await returned.sendUntil { await returned.packetCount() >= 3 })
            #expect(returned.viewer.ends.isEmpty)
        }
    }

    @Test func oneThatCannotConvertIsSaidSoAndViewersAreOfferedNoSound() async throws {
        try await SoundScene.with(FakeTranscoder.refusing) { scene in
            try await scene.listen()
            #expect(await scene.sendUntil { scene.events.all.contains("omitted AAC: no such decoder") })
            #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [SoundScene.aac])
            #expect(scene.events.all.filter { $0.hasPrefix("omitted") }.count == 1, "said once")
        }
    }

    @Test func withoutATranscoderOperatorsAreToldWhatToDo() async throws {
        try await SoundScene.with(nil) { scene in
            for _ in 0..<2 {
                #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [SoundScene.aac])
            }
            #expect(scene.events.all.count { $0.hasPrefix("omitted AAC: ") && $0.hasSuffix("cannot be executed") } == 1)
        }
    }

    @Test func aPathMayLeaveItOff() async throws {
        let isOff: (inout PathSettings) -> Void = { $0.convertAudio = false }
        try await SoundScene.with(FakeTranscoder.obliging, isOff) { scene in
            #expect(await scene.harness.service.viewerFormats(of: scene.entry.room) == [SoundScene.aac])
            #expect(scene.events.all.contains("omitted AAC: convertAudio is off for this path"))
        }
    }

    @Test func formatsOfPublishersAreWhatTheTranscoderKnows() {
        func converted(
            _ name: String, _ parameters: [String: String] = [:], rate: UInt32 = 48_000
        ) -> ConversionFormat? {
            let format = TrackFormat(
                codec: .otherAudio, channels: 2, parameters: parameters.map { .init(name: $0.key, value: $0.value) },
                encodingName: name, clockRate: rate)
            return ConversionFormat(format, configuration: format.announcedConfiguration, bitRate: 64_000)
        }
        let layout = ["sizelength": "13", "indexlength": "3", "indexdeltalength": "3", "config": "1190"]
        #expect(converted("mpeg4-generic", layout)?.configuration == [0x11, 0x90])
        #expect(converted("MPEG4-GENERIC", layout)?.codec == .aac)
        #expect(converted("MPEG4-GENERIC", ["config": "1190"]) == nil, "frames cannot be told apart")
        #expect(converted("MPEG4-GENERIC", layout.filter { $0.key != "config" }) == nil)
        // 48 kHz stereo: the configuration begins in the middle of a byte.
        let latm = converted("MP4A-LATM", ["cpresent": "0", "config": "400023203FC0"])
        #expect(latm?.codec == .aac)
        #expect(latm?.configuration == [0x11, 0x90])
        #expect(converted("MPA", rate: 90_000)?.codec == .mpegAudio)
        #expect(converted("L16")?.codec == .l16)
        #expect(converted("AC3")?.codec == .ac3)
        #expect(converted("EAC3")?.bitRate == 64_000)
        #expect(converted("speex") == nil)
        #expect(converted("L16", rate: 500) == nil)
    }
}
