import Foundation
import Loop
import RTSP
import Streams
import Testing
import Wire

@testable import Server

/// RTSP-25: clients that come through HTTP.
@Suite struct RTSPTunnelServerTests {
    private static func request(_ method: String, cookie: String) -> String {
        "\(method) /cam1 HTTP/1.0\r\nx-sessioncookie: \(cookie)\r\nAccept: application/x-rtsp-tunnelled\r\n"
            + "Content-Type: application/x-rtsp-tunnelled\r\nContent-Length: 32767\r\n\r\n"
    }

    /// A client behind a proxy: what it sends leaves in base64 through one connection, answers come by the other.
    private struct Client {
        var output: RawClient
        var input: RawClient
        var number = 0

        init(_ address: SocketAddress, _ loop: EventLoop, cookie: String) async throws {
            output = try await RawClient.connected(to: address, on: loop)
            await output.send(RTSPTunnelServerTests.request("GET", cookie: cookie))
            #expect(await output.text(through: "\r\n\r\n")?.hasPrefix("HTTP/1.0 200 ") == true)
            input = try await RawClient.connected(to: address, on: loop)
            await input.send(RTSPTunnelServerTests.request("POST", cookie: cookie))
        }

        func send(_ bytes: [UInt8], pieces: Int = 1) async {
            let text = Array(Data(bytes).base64EncodedString().utf8)
            let size = text.count / pieces + 1
            for start in stride(from: 0, to: text.count, by: size) {
                await input.send(Array(text[start..<min(start + size, text.count)]))
            }
        }

        mutating func ask(_ line: String, _ field: String = "User-Agent: x", body: String = "") async -> String {
            number += 1
            var text = "\(line) RTSP/1.0\r\nCSeq: \(number)\r\n\(field)\r\n"
            if !body.isEmpty { text += "Content-Type: application/sdp\r\nContent-Length: \(body.utf8.count)\r\n" }
            await send(Array((text + "\r\n" + body).utf8), pieces: number)
            return String(await output.response())
        }
    }

    @Test func aClientPublishesAndAnotherReadsThroughHTTP() async throws {
        try await RTSPServerTests.withServer { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop, cookie: "one")
            #expect(await publisher.ask("ANNOUNCE \(url)", body: RTSPServerTests.description).hasPrefix("RTSP/1.0 200"))
            #expect(
                await publisher.ask("SETUP \(url)/streamid=0", "Transport: RTP/AVP;unicast;client_port=5000-5001")
                    .hasPrefix("RTSP/1.0 461"))
            #expect(
                await publisher.ask(
                    "SETUP \(url)/streamid=0", "Transport: RTP/AVP/TCP;interleaved=0-1;mode=record"
                ).hasPrefix("RTSP/1.0 200"))
            #expect(await publisher.ask("RECORD \(url)").hasPrefix("RTSP/1.0 200"))
            var reader = try await Client(address, loop, cookie: "two")
            #expect(await reader.ask("DESCRIBE \(url)").contains("a=rtpmap:96 H264"))
            #expect(
                await reader.ask("SETUP \(url)/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1")
                    .hasPrefix("RTSP/1.0 200"))
            #expect(await reader.ask("PLAY \(url)").hasPrefix("RTSP/1.0 200"))
            let service = try #require(await server.running?.rtsp?.service)
            #expect(service.tunnels.count == 2)
            let packet = RTSPServerTests.packet(1, isKeyframe: true, size: 900)
            await publisher.send(RTSPServerTests.frame(packet), pieces: 7)
            let frame = await reader.output.bytes(4 + packet.count)
            #expect(frame.dropFirst(16) == packet[12...])
            // The other half goes with it.
            await publisher.output.abort()
            _ = await publisher.input.everything()
            await reader.output.abort()
            #expect(await eventually { service.tunnels.count == 0 && service.connectionCount == 0 })
        }
    }

    @Test func halvesWithoutTheOtherAndStrangersAreRefused() async throws {
        try await RTSPServerTests.withServer { _, address, loop in
            let lonely = try await RawClient.connected(to: address, on: loop)
            await lonely.send(Self.request("POST", cookie: "nobody"))
            #expect(await lonely.everything().hasPrefix("HTTP/1.0 404 "))
            let browser = try await RawClient.connected(to: address, on: loop)
            await browser.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(await browser.everything().hasPrefix("HTTP/1.0 400 "))
            let first = try await Client(address, loop, cookie: "same")
            let second = try await RawClient.connected(to: address, on: loop)
            await second.send(Self.request("GET", cookie: "same"))
            #expect(await second.everything().hasPrefix("HTTP/1.0 404 "))
            // What is no base64 ends the tunnel's asking half.
            await first.input.send("!!!!")
            _ = await first.input.everything()
        }
    }
}
