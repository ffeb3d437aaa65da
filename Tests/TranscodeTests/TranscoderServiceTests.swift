import Conversion
import Foundation
import Testing
import Wire

@testable import Transcode

/// The process's own side of the socket, and the process.
@Suite struct TranscoderServiceTests {
    /// Both ends of a connection for messages; ends that are handed on are closed by who has them.
    private struct Pair {
        let near: FileHandle
        let far: FileHandle

        init() throws {
            var ends: [Int32] = [-1, -1]
            try #require(unsafe socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
            near = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
            far = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
            // What is not answered fails the test instead of holding it up.
            var limit = timeval(tv_sec: 30, tv_usec: 0)
            try #require(
                unsafe setsockopt(
                    ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size)) == 0)
        }

        func send(_ message: [UInt8]) throws {
            let sent = unsafe message.withUnsafeBytes { bytes in
                unsafe Glibc.send(near.fileDescriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            try #require(sent == message.count)
        }

        /// nil at the end.
        func receive() throws -> ConversionReply? {
            var buffer = [UInt8](repeating: 0, count: ConversionMessages.maximumSize)
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe recv(near.fileDescriptor, bytes.baseAddress, bytes.count, 0)
            }
            try #require(count >= 0)
            guard count > 0 else { return nil }
            return try Array(buffer[..<count]).withBytes { try ConversionReply(parsing: $0) }
        }
    }

    /// Beside the tests' own bundle.
    private static var program: URL? {
        let folders = [Bundle.main.bundleURL] + Bundle.allBundles.map { $0.bundleURL.deletingLastPathComponent() }
        return folders.map { $0.appending(path: "martlet-transcoder") }.first {
            FileManager.default.isExecutableFile(atPath: $0.path)
        }
    }

    private func start(_ pair: Pair) throws -> (process: Process, complaints: Pipe) {
        let process = Process()
        let program: URL = try #require(Self.program)
        process.executableURL = program
        // The only descriptors that Foundation hands on are the standard ones.
        process.arguments = ["0"]
        process.standardInput = pair.far
        let complaints = Pipe()
        process.standardError = complaints
        try process.run()
        try pair.far.close()
        return (process, complaints)
    }

    @Test func theProcessConvertsUntilTheOtherSideCloses() throws {
        let pair = try Pair()
        let (process, complaints) = try start(pair)
        let fixture = SoundFixture.aac
        try pair.send(try ConversionRequest.begin(fixture.format).encoded())
        guard case .ready(let decoder) = try pair.receive() else {
            Issue.record("the first answer is not that it is ready")
            return
        }
        #expect(decoder.name == "aac")
        var packets: [ConvertedPacket] = []
        for (index, frame) in fixture.frames.enumerated() {
            try pair.send(try ConversionRequest.frame(frame).encoded())
            // One that cannot be decoded among them.
            if index == 10 {
                let spoiled = ConversionFrame(timestamp: frame.timestamp, payload: [0xFF, 0xFF])
                try pair.send(try ConversionRequest.frame(spoiled).encoded())
            }
        }
        try pair.send(try ConversionRequest.flush.encoded())
        var faults = 0
        answers: while true {
            switch try #require(try pair.receive()) {
            case .packet(let packet): packets.append(packet)
            case .fault(let fault):
                #expect(!fault.isFatal)
                faults += 1
            case .flushed: break answers
            case .ready: Issue.record("ready comes twice")
            }
        }
        #expect(faults == 1)
        let heard = try Heard(packets)
        #expect(heard.isContinuous)
        let status = try String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)
        #expect(status.contains("NoNewPrivs:\t1"))
        #expect(status.contains("Seccomp:\t2"))
        try pair.near.close()
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 0)
        #expect(try complaints.fileHandleForReading.readToEnd() == nil)
    }

    /// A server that does not read is not read from either, and loses nothing by it.
    @Test func nothingIsQueuedForAServerThatDoesNotRead() throws {
        let pair = try Pair()
        let (process, _) = try start(pair)
        let fixture = SoundFixture(linear: 48_000, channels: 1, seconds: 1, sound: SoundFixture.tone)
        try pair.send(try ConversionRequest.begin(fixture.format).encoded())
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        try #require(
            unsafe setsockopt(
                pair.near.fileDescriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size)) == 0)
        var accepted = 0
        while accepted < 10_000 {
            var frame = fixture.frames[accepted % fixture.frames.count]
            frame.timestamp = Int64(accepted) * 960
            let message = try ConversionRequest.frame(frame).encoded()
            let sent = unsafe message.withUnsafeBytes { bytes in
                unsafe Glibc.send(pair.near.fileDescriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            guard sent == message.count else { break }
            accepted += 1
        }
        #expect(accepted < 10_000)
        var packets: [ConvertedPacket] = []
        guard case .ready = try pair.receive() else {
            Issue.record("the first answer is not that it is ready")
            return
        }
        while packets.count < accepted - 2, case .packet(let packet) = try pair.receive() { packets.append(packet) }
        #expect(packets.count >= accepted - 2)
        #expect(try Heard(packets).isContinuous)
        try pair.near.close()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test func aBadMessageEndsTheProcessWithItsReason() throws {
        let pair = try Pair()
        let (process, complaints) = try start(pair)
        try pair.send([9, 1])
        #expect(try pair.receive() == nil)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        let text = String(decoding: try complaints.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        #expect(text.hasPrefix("martlet-transcoder: the message has version 9"))
    }

    @Test func whatIsNoSocketIsRefused() {
        #expect(throws: TranscoderService.Failure.noSocket(-1)) { try TranscoderService(descriptor: -1, deadline: 0) }
    }
}
