import Server
import Wire

/// What media from unknown addresses costs while sessions are there that it could be of: 20,000 datagrams a second of the
/// source that all of them use, each from another address.
enum QuietSessionsBenchmarks {
    static func run(_ bench: inout Bench) {
        // The first eight bytes are all that is read of it.
        var junk = [UInt8](repeating: 0x5A, count: 100)
        junk[0] = 0x80
        junk[1] = 201
        for count in [1_000, 10_000] {
            var now = Instant.seconds(100)
            var quiet = QuietSessions(seed: 1, at: now)
            for index in 0..<count {
                let slot = quiet.add()
                junk.withBytes {
                    quiet.heard(slot, $0, from: SocketAddress(ipv4: 0x0A00_0000 + UInt32(index), port: 1), at: now)
                }
            }
            bench.measure("media of nobody, \(count) quiet sessions") { index in
                now = now.advanced(byNanoseconds: 50_000)
                let address = SocketAddress(ipv4: UInt32(truncatingIfNeeded: index &* 2_654_435_761), port: 1)
                return junk.withBytes { quiet.candidates(for: $0, from: address, at: now).count }
            }
            bench.measure("media of one of \(count) sessions: heard") { index in
                now = now.advanced(byNanoseconds: 50_000)
                junk.withBytes {
                    quiet.heard(index % count, $0, from: SocketAddress(ipv4: 0x0A00_0000, port: 1), at: now)
                }
                return index
            }
        }
    }
}
