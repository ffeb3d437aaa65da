import COpenSSL
import TestKit
import Testing
import Wire

@testable import Secure

@Suite struct TLSEndpointTests {
    @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func handshakeDataAndClose(_ version: CInt) throws {
        let connection = try TLSPair(version: version)
        connection.settle()
        #expect(connection.server.state == .open && connection.client.isConnected)
        #expect(connection.server.applicationProtocol == "http/1.1")

        connection.client.write(Array("GET / HTTP/1.1\r\n\r\n".utf8))
        connection.settle()
        #expect(connection.received == Array("GET / HTTP/1.1\r\n\r\n".utf8))
        #expect(connection.write(Array("HTTP/1.1 204 No Content\r\n\r\n".utf8)))
        connection.settle()
        #expect(connection.client.read() == Array("HTTP/1.1 204 No Content\r\n\r\n".utf8))

        connection.server.close()
        connection.settle()
        #expect(connection.client.isClosedByPeer)
        #expect(connection.server.state == .closed)
        #expect(!connection.write([1]))
    }

    @Test func aPeersCloseLeavesRoomForTheAnswer() throws {
        let connection = try TLSPair()
        connection.settle()
        connection.client.write([1, 2, 3])
        connection.client.close()
        connection.settle()
        #expect(connection.received == [1, 2, 3])
        #expect(connection.server.state == .halfClosed)
        #expect(connection.write([4]))
        connection.server.close()
        #expect(connection.server.state == .closed)
    }

    @Test func bytesMayArriveOneByOne() throws {
        let connection = try TLSPair()
        connection.chunk = 1
        connection.settle()
        connection.client.write([UInt8](repeating: 9, count: 300))
        connection.settle()
        #expect(connection.received.count == 300)
    }

    @Test func megabytesPassBothWays() throws {
        var random = SplitMix64(seed: 8)
        let connection = try TLSPair()
        connection.settle()
        let block = random.bytes(200_000)
        for _ in 0..<10 {
            connection.client.write(block)
            connection.settle()
            #expect(connection.write(block))
            connection.settle()
            #expect(connection.client.read() == block)
        }
        #expect(connection.received.count == 2_000_000)
    }

    @Test func oldVersionsAreRefused() throws {
        let connection = try TLSPair(version: TLS1_1_VERSION)
        connection.settle()
        guard case .failed = connection.server.state else {
            Issue.record("state \(connection.server.state)")
            return
        }
    }

    @Test func protocolsAreNegotiatedOrRefused() throws {
        let none = try TLSPair(protocols: [])
        none.settle()
        #expect(none.server.state == .open && none.server.applicationProtocol == nil)
        let second = try TLSPair(protocols: ["h2", "http/1.1"])
        second.settle()
        #expect(second.server.applicationProtocol == "http/1.1")
        let preferred = try TLSPair(protocols: ["http/1.1", "h2"], accepted: ["h2", "http/1.1"])
        preferred.settle()
        #expect(preferred.server.applicationProtocol == "h2")
        let foreign = try TLSPair(protocols: ["h2"])
        foreign.settle()
        guard case .failed = foreign.server.state else {
            Issue.record("state \(foreign.server.state)")
            return
        }
    }

    @Test func plainHTTPAndNoiseFailWithoutATrap() throws {
        let files = try TLSFiles(Identities.first)
        let context = try TLSServerContext(certificatePEM: files.certificate, privateKeyPEM: files.key)
        var random = SplitMix64(seed: 4)
        for round in 0..<500 {
            let endpoint = try TLSEndpoint(context: context)
            var bytes =
                round == 0 ? Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8) : random.bytes(Int(random.next() % 200))
            if round % 2 == 1, bytes.count > 5 { bytes.replaceSubrange(0..<3, with: [22, 3, 1]) }
            bytes.withBytes { endpoint.received($0) }
            bytes.withBytes { endpoint.received($0) }
            #expect(endpoint.state != .open)
            if round == 0 { #expect(endpoint.state == .failed("http request")) }
        }
    }

    @Test func writingIsRefusedBeyondTheLimitAndBeforeTheHandshake() throws {
        let connection = try TLSPair(maximumPendingOutput: 100_000)
        #expect(!connection.write([1]))
        connection.settle()
        let block = [UInt8](repeating: 0, count: 60_000)
        #expect(connection.write(block))
        #expect(!connection.write(block))
        connection.settle()
        #expect(connection.write(block))
    }

    @Test func unreadInputIsBounded() throws {
        let connection = try TLSPair()
        connection.settle()
        connection.drainsPlaintext = false
        let block = [UInt8](repeating: 0, count: 200_000)
        for _ in 0..<20 {
            connection.client.write(block)
            connection.settle()
        }
        #expect(connection.server.state == .failed("more input than is read"))
    }
}

@Suite struct TLSServerContextTests {
    @Test func goodFilesLoadWithTheirValidity() throws {
        let files = try TLSFiles(Identities.first)
        let context = try TLSServerContext(
            certificatePEM: files.certificate + files.certificate, privateKeyPEM: files.key)
        #expect(context.remainingValiditySeconds > 86_400 * 30)
    }

    @Test func errorsSayWhichFileIsWrongAndWhy() throws {
        let files = try TLSFiles(Identities.first)
        let other = try TLSFiles(Identities.second)
        var damaged = files.certificate
        damaged[100] = UInt8(ascii: "!")
        var damagedKey = files.key
        damagedKey[60] = UInt8(ascii: "!")
        let rows: [([UInt8], [UInt8], String)] = [
            ([], files.key, "certificate file: empty"),
            (Array("hello".utf8), files.key, "certificate file: no PEM certificate"),
            (files.key, files.certificate, "swapped"),
            (damaged, files.key, "certificate file: certificate 1 is damaged"),
            (files.certificate, [], "private key file: empty"),
            (files.certificate, Array("hello".utf8), "private key file: no PEM private key"),
            (files.certificate, files.certificate, "private key file: holds a certificate"),
            (files.certificate, files.encryptedKey, "encrypted with a passphrase"),
            (files.certificate, damagedKey, "private key file: the key is damaged"),
            (files.certificate, other.key, "does not belong"),
        ]
        for (certificate, key, expected) in rows {
            do throws(SecureError) {
                _ = try TLSServerContext(certificatePEM: certificate, privateKeyPEM: key)
                Issue.record("accepted: \(expected)")
            } catch {
                guard case .unusableFile(let text) = error else {
                    Issue.record("\(error)")
                    continue
                }
                #expect(text.contains(expected))
            }
        }
    }
}
