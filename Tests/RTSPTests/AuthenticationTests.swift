import RTSP
import Secure
import TestKit
import Testing
import Wire

let testHash = RTSPHash(md5: { Digest.md5($0) }, sha256: { Digest.sha256($0) })

@Suite struct AuthenticationTests {
    /// RFC 2617, section 3.5, and RFC 7616, section 3.9.1.
    @Test(arguments: [
        (
            #"Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", "#
                + #"uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", "#
                + #"response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41""#,
            "Circle Of Life"
        ),
        (
            #"Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm=SHA-256, "#
                + #"nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, "#
                + #"cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, "#
                + #"response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1""#,
            "Circle of Life"
        ),
    ])
    func digestsOfTheStandardsAreAccepted(_ field: String, _ password: String) throws {
        guard case .digest(let digest) = try #require(RTSPCredentials(field)) else {
            Issue.record("not a digest")
            return
        }
        #expect(digest.isMade(with: password, method: "GET", hash: testHash))
        #expect(!digest.isMade(with: password + " ", method: "GET", hash: testHash))
        #expect(!digest.isMade(with: password, method: "POST", hash: testHash))
    }

    @Test(arguments: DigestAlgorithm.allCases, [true, false])
    func whatAClientAnswersTheServerAccepts(_ algorithm: DigestAlgorithm, _ qop: Bool) throws {
        let challenge = RTSPChallenge.digest(
            realm: "a \"b\" \\c", nonce: "n", algorithm: algorithm, qop: qop, isStale: false, opaque: nil)
        let field = challenge.authorization(
            user: "u\"x", password: "p", method: "DESCRIBE", uri: "rtsp://h/cam1", clientNonce: "c", hash: testHash)
        guard case .digest(let digest) = try #require(RTSPCredentials(field)) else {
            Issue.record("not a digest")
            return
        }
        #expect(digest.user == "u\"x")
        #expect(digest.isMade(with: "p", method: "DESCRIBE", hash: testHash))
        #expect(!digest.isMade(with: "q", method: "DESCRIBE", hash: testHash))
    }

    @Test func basicCredentialsAreRead() {
        let aladdin = RTSPCredentials("Basic YWxhZGRpbjpvcGVuOnNlc2FtZQ==")
        #expect(aladdin == .basic(user: "aladdin", password: "open:sesame"))
        #expect(RTSPCredentials("basic dTpw") == .basic(user: "u", password: "p"))
        for text in ["Basic", "Basic !", "Basic dQ==", "Bearer x", "Digest username=\"u\"", ""] {
            #expect(RTSPCredentials(text) == nil, "\(text)")
        }
    }

    /// RTSP-45: the strongest of several fields, and SHA-512 is not spoken.
    @Test func theStrongestChallengeIsAnswered() {
        let md5 = #"Digest realm="r", nonce="1""#
        let sha = #"Digest realm="r", nonce="2", algorithm="SHA-256", stale=true"#
        let unknown = #"Digest realm="r", nonce="3", algorithm=SHA-512-256"#
        #expect(RTSPChallenge.strongest(of: [#"Basic realm="r""#, md5, sha, unknown]) == RTSPChallenge(sha))
        #expect(RTSPChallenge.strongest(of: [md5, #"Basic realm="r""#]) == RTSPChallenge(md5))
        #expect(RTSPChallenge.strongest(of: [#"Basic realm="r""#]) == .basic(realm: "r"))
        #expect(RTSPChallenge.strongest(of: [unknown, "Negotiate"]) == nil)
    }

    /// RTSP-45: where Digest is spoken of, be it of a kind that is not known, the password does not travel in the clear.
    @Test(arguments: [
        (#"Digest realm="r", nonce="3", algorithm=SHA-512-256"#, #"Basic realm="r""#),
        (#"Basic realm="r", Digest realm="r", nonce="3", algorithm=new"#, #"X y="z""#),
        (#"Digest realm="r""#, #"Basic realm="r""#),
    ])
    func aDigestThatIsNotKnownIsNoReasonForBasic(_ first: String, _ second: String) throws {
        #expect(RTSPChallenge.offersDigest([first, second]))
        let driver = try ClientDriver()
        driver.answer(401, "WWW-Authenticate: \(first)", "WWW-Authenticate: \(second)")
        #expect(driver.failure == .unauthorized)
        #expect(driver.requests.count == 1)
        // Under TLS nothing is in the clear.
        let secure = try ClientDriver("rtsps://u:p@h/cam1")
        secure.answer(401, "WWW-Authenticate: \(first)", "WWW-Authenticate: \(second)")
        #expect(secure.requests.last?.headers["Authorization"] == "Basic dTpw")
        #expect(!RTSPChallenge.offersDigest([#"Basic realm="Digest x""#, "Negotiate"]))
    }

    /// As other implementations compute it: the password's digest with both nonces.
    @Test func digestsWithASessionAreAnswered() throws {
        let driver = try ClientDriver()
        driver.answer(401, #"WWW-Authenticate: Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth""#)
        // MD5(MD5(MD5("u:r:p"):n:7):n:00000001:7:auth:MD5("OPTIONS:rtsp://h:554/cam1"))
        let field = try #require(driver.requests.last?.headers["Authorization"])
        #expect(field.contains("response=\"691eb1f6faabd96131ed2bc344d435fa\""))
        #expect(field.contains("algorithm=MD5-sess, qop=auth, nc=00000001, cnonce=\"7\""))
    }

    /// RTSP-45: servers may put all of their challenges into one field.
    @Test(arguments: [
        (#"Basic realm="x", Digest realm="r", nonce="1""#, #"Digest realm="r", nonce="1""#),
        (#"Digest realm="r", nonce="1",Basic realm="x""#, #"Digest realm="r", nonce="1""#),
        (
            #"Digest realm="a, b", nonce="1", algorithm=MD5, Digest realm="a, b", nonce="2", algorithm=SHA-256, qop="auth""#,
            #"Digest realm="a, b", nonce="2", algorithm=SHA-256, qop="auth""#
        ),
        (#"Negotiate abc==, Basic realm="x, y""#, #"Basic realm="x, y""#),
        (#"NTLM, basic  realm = "x", Other a = b"#, #"Basic realm="x""#),
        (#"Digest  realm = "r" , nonce = "1" , stale = true"#, #"Digest realm="r", nonce="1", stale=true"#),
        (#", Digest realm="r", nonce="1", "#, #"Digest realm="r", nonce="1""#),
    ])
    func theStrongestChallengeOfOneFieldIsAnswered(_ field: String, _ expected: String) {
        let chosen = RTSPChallenge.strongest(of: [field])
        #expect(chosen != nil && chosen == RTSPChallenge(expected))
    }

    /// RTSP-20: which URI clients put into their digest.
    @Test func theURIOfADigestMayBeAnyFormOfTheStreams() throws {
        let request = "rtsp://h:8554/a/cam1/trackID=0?x=1"
        let meant = [
            request, "rtsp://h:8554/a/cam1/trackID=0", "rtsp://h:8554/a/cam1", "rtsp://h:8554/a/cam1/", "/a/cam1",
            "rtsp://h:8554/a/cam1?x=1", "rtsp://h:8554/a",
        ]
        for uri in meant {
            #expect(try digest(uri).isMeant(for: request), "\(uri)")
        }
        for uri in ["rtsp://h:8554/b", "/a/cam", ""] {
            #expect(try !digest(uri).isMeant(for: request), "\(uri)")
        }
    }

    private func digest(_ uri: String) throws -> DigestCredentials {
        let field = RTSPChallenge.digest(
            realm: "r", nonce: "n", algorithm: .md5, qop: false, isStale: false, opaque: nil
        ).authorization(user: "u", password: "p", method: "SETUP", uri: uri, clientNonce: "", hash: testHash)
        guard case .digest(let digest) = try #require(RTSPCredentials(field)) else {
            throw WireError.malformed("digest")
        }
        return digest
    }

    @Test func hostileFieldsNeverTrap() {
        var random = SplitMix64(seed: 5)
        let seed = Array(#"Digest username="Mufasa", realm="r\"", nonce="d", uri="/i", qop=auth, response="66""#.utf8)
        for _ in 0..<20_000 {
            var bytes = seed
            for _ in 0..<3 {
                bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next() & 0x7F)
            }
            let text = String(decoding: bytes.prefix(Int(random.next() % UInt64(bytes.count))), as: UTF8.self)
            if case .digest(let digest) = RTSPCredentials(text) {
                #expect(!digest.isMade(with: "p", method: "GET", hash: testHash))
            }
            _ = RTSPChallenge.strongest(of: [text])
        }
    }
}
