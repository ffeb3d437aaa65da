import Foundation
import Loop
import Synchronization
import Testing
import Wire

@testable import Server

/// RTSP-21: wrong credentials are answered late, and nobody else waits.
@Suite struct RTSPFailedLoginTests {
    typealias Client = RTSPServerTests.Client

    @Test func theAnswerToAGuessIsLateAndOthersAreAnsweredMeanwhile() async throws {
        try await RTSPServerTests.withServer { settings in
            settings.rtspFailedLoginDelay = .seconds(2)
            settings.everyPath { $0.publishToken = AccessToken(.plain(Array("secret".utf8))) }
        } _: { server, address, loop in
            let service = try #require(await server.running?.rtsp?.service)
            let url = "rtsp://\(address)/cam1"
            var honest = try await Client(address, loop)
            // Who learns that credentials are needed waits for nothing.
            #expect(await honest.publish(url).first == "RTSP/1.0 401")
            let started = ContinuousClock.now
            async let guess = {
                var guesser = try await Client(address, loop)
                let wrong = "Authorization: Basic \(Data("x:wrong".utf8).base64EncodedString())"
                let answer = await guesser.publish(url, wrong).first
                return (answer, ContinuousClock.now - started)
            }()
            #expect(await eventually { service.failedLogins.count == 1 })
            let right = "Authorization: Basic \(Data("x:secret".utf8).base64EncodedString())"
            #expect(await honest.publish(url, right).last == RTSPServerTests.success)
            #expect(service.failedLogins.count == 1, "the guess was answered before another request")
            let (answer, time) = try await guess
            #expect(answer == "RTSP/1.0 401")
            #expect(time >= .seconds(2))
            #expect(service.failedLogins.count == 0)
        }
    }

    /// A token in the query is a password like any other, where it counts.
    @Test(arguments: [true, false])
    func aWrongTokenInTheQueryIsAGuess(_ isAllowed: Bool) async throws {
        try await RTSPServerTests.withServer { settings in
            settings.allowTokenInQuery = isAllowed
            settings.httpFailedAuthorizationBurst = 3
            settings.rtspFailedLoginDelay = .zero
            settings.everyPath { $0.publishToken = AccessToken(.plain(Array("secret".utf8))) }
        } _: { server, address, loop in
            let counters = try #require(await server.running?.rtsp?.service.counters)
            var guesser = try await Client(address, loop)
            var statuses: [String] = []
            // Guesses are allowed again with time.
            repeat {
                statuses.append(await guesser.publish("rtsp://\(address)/cam1?token=no").first ?? "")
            } while statuses.last == "RTSP/1.0 401" && statuses.count < (isAllowed ? 200 : 10)
            #expect(statuses.last == (isAllowed ? "RTSP/1.0 503" : "RTSP/1.0 401"))
            let counted = counters.failedAuthorizations.load(ordering: .relaxed)
            #expect(counted == (isAllowed ? UInt64(statuses.count - 1) : 0))
        }
    }

    @Test func onlySoManyWait() async {
        let logins = RTSPFailedLogins(maximumWaiting: 3)
        await withTaskGroup { group in
            for _ in 0..<3 { group.addTask { await logins.wait(.seconds(60)) } }
            #expect(await eventually { logins.count == 3 })
            #expect(await !logins.wait(.seconds(60)))
            // Those whose task is over wait no longer.
            group.cancelAll()
            for await wasAdmitted in group { #expect(wasAdmitted) }
        }
        #expect(logins.count == 0)
    }
}
