import Secure
import Testing
import Wire

@testable import Server

@Suite struct TokenAuthorizerTests {
    private static let yaml = """
        whipToken: whip
        metricsToken: metrics
        paths:
          open:
          private: {publishToken: pub, readToken: read}
          other: {publishToken: pub2, readToken: read2}
          hashed: {readToken: 'sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='}
        """
    private static let away = SocketAddress(ipv4: 0xC000_0201, port: 5)
    private static let here = SocketAddress(ipv4: 0x7F00_0001, port: 5)

    private func ask(
        _ action: AuthorizationAction, _ path: String, _ token: String?, query: String? = nil, yaml: String = yaml,
        from address: SocketAddress = away
    ) async throws -> AuthorizationOutcome {
        let authorizer = TokenAuthorizer(settings: try load(yaml).settings)
        return await authorizer.authorize(
            action: action, path: path, protocol: .whip,
            credentials: Credentials(bearerToken: token, queryToken: query, address: address))
    }

    static let table: [(AuthorizationAction, String, String?, AuthorizationOutcome)] = [
        (.publish, "private", "pub", .allowed), (.publish, "private", nil, .unauthenticated),
        (.publish, "private", "wrong", .unauthenticated), (.publish, "private", "", .unauthenticated),
        (.publish, "private", "pub2", .forbidden), (.publish, "private", "read", .forbidden),
        (.publish, "private", "whip", .forbidden), (.publish, "open", "whip", .allowed),
        (.publish, "open", nil, .unauthenticated), (.publish, "open", "pub", .forbidden),
        (.read, "open", nil, .allowed), (.read, "open", "anything", .allowed), (.read, "private", "read", .allowed),
        (.read, "private", "pub", .forbidden), (.read, "private", nil, .unauthenticated),
        (.read, "hashed", "abc", .allowed), (.read, "hashed", "abd", .unauthenticated),
        (.read, "hashed", "sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", .unauthenticated),
        (.read, "not/configured", nil, .unauthenticated), (.read, "not/configured", "wrong", .unauthenticated),
        (.read, "not/configured", "read", .forbidden), (.publish, "not/configured", "pub", .forbidden),
        (.read, "bad//name", nil, .unauthenticated), (.playback, "private", "read", .allowed),
        (.metrics, "", "metrics", .allowed), (.metrics, "", "read", .forbidden), (.metrics, "", nil, .unauthenticated),
        (.api, "", "metrics", .forbidden),
    ]

    @Test(arguments: table.indices)
    func decides(_ index: Int) async throws {
        let (action, path, token, outcome) = Self.table[index]
        #expect(try await ask(action, path, token) == outcome, "\(action) \(path) \(token ?? "nil")")
    }

    /// A path that leads elsewhere is as open as its own token says.
    @Test func pathsThatLeadElsewhereAskForTheirOwnToken() async throws {
        let yaml = """
            paths:
              away: {source: redirect, sourceRedirect: rtsp://h/a}
              guarded: {source: redirect, sourceRedirect: rtsp://h/a, readToken: own}
              private: {publishToken: pub, readToken: read}
            """
        #expect(try await ask(.read, "away", nil, yaml: yaml) == .allowed)
        #expect(try await ask(.read, "guarded", nil, yaml: yaml) == .unauthenticated)
        #expect(try await ask(.read, "guarded", "read", yaml: yaml) == .forbidden)
        #expect(try await ask(.read, "guarded", "own", yaml: yaml) == .allowed)
        #expect(try await ask(.publish, "away", nil, yaml: yaml) == .unauthenticated)
    }

    @Test func tokensThatAreHashesCannotBeProved() throws {
        let authorizer = TokenAuthorizer(settings: try load(Self.yaml).settings)
        for (path, expected) in [("open", true), ("private", true), ("hashed", false), ("not/configured", true)] {
            #expect(authorizer.takesProof(action: .read, path: path) == expected, "\(path)")
        }
        #expect(authorizer.takesProof(action: .publish, path: "hashed"))
        let hashed = "paths: {a: {readToken: 'sha256:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='}}"
        let hashes = TokenAuthorizer(settings: try load(hashed).settings)
        // Nothing tells a path that is not there from one that is.
        for path in ["a", "b"] { #expect(!hashes.takesProof(action: .read, path: path)) }
    }

    @Test func withoutTokensAnyoneMayAndUnknownPathsAreLeftToTheCaller() async throws {
        for action in [AuthorizationAction.publish, .read] {
            #expect(try await ask(action, "a", nil, yaml: "") == .allowed)
            #expect(try await ask(action, "b", nil, yaml: "paths: {a: }") == .allowed)
        }
    }

    @Test func onlyThisMachineReadsMetricsWithoutAToken() async throws {
        for action in [AuthorizationAction.metrics, .api] {
            #expect(try await ask(action, "", nil, yaml: "") == .forbidden)
            #expect(try await ask(action, "", nil, yaml: "", from: Self.here) == .allowed)
        }
    }

    @Test func theQueryCountsOnlyWhereAllowedAndOnlyWithoutAHeader() async throws {
        let allowing = "allowTokenInQuery: yes\n" + Self.yaml
        #expect(try await ask(.read, "private", nil, query: "read") == .unauthenticated)
        #expect(try await ask(.read, "private", nil, query: "read", yaml: allowing) == .allowed)
        #expect(try await ask(.read, "private", "wrong", query: "read", yaml: allowing) == .unauthenticated)
    }

    @Test func newSettingsCountAtOnce() async throws {
        let authorizer = TokenAuthorizer(settings: try load("whipToken: old").settings)
        authorizer.change(try load("whipToken: new").settings)
        func publish(_ token: String) async -> AuthorizationOutcome {
            await authorizer.authorize(
                action: .publish, path: "a", protocol: .whip,
                credentials: Credentials(bearerToken: token, address: Self.away))
        }
        #expect(await publish("old") == .unauthenticated)
        #expect(await publish("new") == .allowed)
    }

    @Test func oversizedTokensAreRefusedWithoutWork() async throws {
        let token = String(repeating: "a", count: 1_000_000)
        #expect(try await ask(.read, "private", token) == .unauthenticated)
    }

    @Test(
        arguments: [
            ("Bearer abc", "abc"), ("bearer abc", "abc"), ("BEARER   abc  ", "abc"),
            ("Bearer a.b-c_d~e+f/g=", "a.b-c_d~e+f/g="),
            ("Bearer", nil), ("Bearer ", nil), ("Basic abc", nil), ("Bearerabc", nil), ("", nil), ("Bearer a b", nil),
            ("Bearer a\u{1}", nil), ("Bearer é", nil),
        ] as [(String, String?)])
    func bearerTokensAreFound(_ header: String, _ token: String?) {
        #expect(Credentials.bearerToken(inAuthorization: header) == token)
    }

    @Test func credentialsPrintNoSecret() {
        let credentials = Credentials(
            bearerToken: "hunter2", queryToken: "hunter2", user: "u", password: "hunter2", address: Self.away)
        var dumped = ""
        dump(credentials, to: &dumped)
        #expect(!dumped.contains("hunter2") && !"\(credentials)".contains("hunter2"))
    }
}
