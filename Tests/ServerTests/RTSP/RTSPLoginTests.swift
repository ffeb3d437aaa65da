import Foundation
import Loop
import RTSP
import Secure
import Testing
import Wire

@testable import Server

/// RTSP-20: which credentials are asked for, and which are taken.
@Suite struct RTSPLoginTests {
    typealias Client = RTSPServerTests.Client

    private static let hash = RTSPHash(md5: { Digest.md5($0) }, sha256: { Digest.sha256($0) })
    private static let basic = "Authorization: Basic \(Data("x:secret".utf8).base64EncodedString())"

    private static func fields(_ answer: String) -> [String] {
        answer.split(separator: "\r\n").compactMap { line in
            line.hasPrefix("WWW-Authenticate: ") ? String(line.dropFirst(18)) : nil
        }
    }

    private static func describe(_ challenge: RTSPChallenge, _ password: String, _ url: String) -> String {
        "Authorization: "
            + challenge.authorization(
                user: "any", password: password, method: "DESCRIBE", uri: url, clientNonce: "c", hash: hash)
    }

    private func withToken(
        _ token: AccessToken, _ methods: [RTSPAuthMethod],
        _ body: (MartletServer, SocketAddress, EventLoop, String) async throws -> Void
    ) async throws {
        try await RTSPServerTests.withServer { settings in
            settings.rtspFailedLoginDelay = .zero
            settings.rtspAuthMethods = methods
            settings.everyPath { $0.readToken = token }
        } _: { server, address, loop in
            let url = "rtsp://\(address)/cam1"
            var publisher = try await Client(address, loop)
            #expect(await publisher.publish(url).last == RTSPServerTests.success)
            try await body(server, address, loop, url)
        }
    }

    private static let plain = AccessToken(.plain(Array("secret".utf8)))
    private static let hashed = AccessToken(.sha256(Array("secret".utf8).withBytes { Digest.sha256($0) }))

    /// Clients prefer Digest, which nobody can check against a hash.
    @Test func aTokenThatIsAHashIsAskedForByBasicAlone() async throws {
        try await withToken(Self.hashed, [.basic, .digest]) { _, address, loop, url in
            var client = try await Client(address, loop)
            #expect(Self.fields(await client.ask("DESCRIBE \(url)")) == [#"Basic realm="Martlet""#])
            #expect(await client.ask("DESCRIBE \(url)", Self.basic).hasPrefix(RTSPServerTests.success))
        }
        try await withToken(Self.plain, [.basic, .digest]) { _, address, loop, url in
            var client = try await Client(address, loop)
            #expect(Self.fields(await client.ask("DESCRIBE \(url)")).count == 2)
        }
    }

    @Test func aDigestThatWasNotOfferedIsNotTaken() async throws {
        try await withToken(Self.plain, [.digestSHA256]) { _, address, loop, url in
            var client = try await Client(address, loop)
            let offered = try #require(RTSPChallenge.strongest(of: Self.fields(await client.ask("DESCRIBE \(url)"))))
            guard case .digest(let realm, let nonce, .sha256, let qop, _, _) = offered else {
                Issue.record("not what the settings say: \(offered.text)")
                return
            }
            for algorithm in [DigestAlgorithm.md5, .md5Session, .sha256Session] {
                let weaker = RTSPChallenge.digest(
                    realm: realm, nonce: nonce, algorithm: algorithm, qop: qop, isStale: false, opaque: nil)
                let answer = await client.ask("DESCRIBE \(url)", Self.describe(weaker, "secret", url))
                #expect(answer.hasPrefix("RTSP/1.0 401"), "\(algorithm)")
            }
            #expect(await client.ask("DESCRIBE \(url)", Self.basic).hasPrefix("RTSP/1.0 401"))
            #expect(
                await client.ask("DESCRIBE \(url)", Self.describe(offered, "secret", url))
                    .hasPrefix(RTSPServerTests.success))
        }
    }

    /// A client that answers an earlier challenge tries again by itself when it is told that only the nonce was old.
    @Test func anEarlierNonceIsCalledStaleAndAWrongPasswordIsNot() async throws {
        try await withToken(Self.plain, [.basic, .digest]) { _, address, loop, url in
            var first = try await Client(address, loop)
            let old = try #require(RTSPChallenge.strongest(of: Self.fields(await first.ask("DESCRIBE \(url)"))))
            #expect(!old.isStale)
            let wrong = Self.fields(await first.ask("DESCRIBE \(url)", Self.describe(old, "wrong", url)))
            #expect(RTSPChallenge.strongest(of: wrong)?.isStale == false)
            var second = try await Client(address, loop)
            // Whether the password is right is not to be learnt this way.
            for password in ["secret", "wrong"] {
                let answer = await second.ask("DESCRIBE \(url)", Self.describe(old, password, url))
                let challenge = try #require(RTSPChallenge.strongest(of: Self.fields(answer)))
                #expect(answer.hasPrefix("RTSP/1.0 401") && challenge.isStale)
                guard password == "secret" else { continue }
                #expect(
                    await second.ask("DESCRIBE \(url)", Self.describe(challenge, password, url))
                        .hasPrefix(RTSPServerTests.success))
            }
        }
    }
}
