import ICE
import Wire

/// SHA-1, SHA-256 and HMAC written for clarity, so that these tests need no crypto library.
enum ReferenceHash {
    static let authentication = ICEAuthentication(
        hmacSHA1: { key, message, code in
            let bytes = hmac(key, message.array, sha1)
            for index in code.indices { code[index] = bytes[index] }
        },
        hmacSHA256: { key, message, code in
            let bytes = hmac(key, message.array, sha256)
            for index in code.indices { code[index] = bytes[index] }
        })

    static func hmac(_ key: [UInt8], _ message: [UInt8], _ hash: ([UInt8]) -> [UInt8]) -> [UInt8] {
        var block = key.count > 64 ? hash(key) : key
        block += [UInt8](repeating: 0, count: 64 - block.count)
        return hash(block.map { $0 ^ 0x5C } + hash(block.map { $0 ^ 0x36 } + message))
    }

    static func sha1(_ message: [UInt8]) -> [UInt8] {
        var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0]
        for block in blocks(message) {
            var words = block
            for index in 16..<80 {
                words.append(rotateLeft(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1))
            }
            var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
            for index in 0..<80 {
                let mixed: UInt32
                switch index / 20 {
                case 0: mixed = (b & c | ~b & d) &+ 0x5A82_7999
                case 1: mixed = (b ^ c ^ d) &+ 0x6ED9_EBA1
                case 2: mixed = (b & c | b & d | c & d) &+ 0x8F1B_BCDC
                default: mixed = (b ^ c ^ d) &+ 0xCA62_C1D6
                }
                let next = rotateLeft(a, 5) &+ mixed &+ e &+ words[index]
                (a, b, c, d, e) = (next, a, rotateLeft(b, 30), c, d)
            }
            for (index, value) in [a, b, c, d, e].enumerated() { state[index] &+= value }
        }
        return bytes(state)
    }

    static func sha256(_ message: [UInt8]) -> [UInt8] {
        var state = primes.prefix(8).map { fraction(of: Double($0).squareRoot()) }
        for block in blocks(message) {
            var words = block
            for index in 16..<64 {
                let (early, late) = (words[index - 15], words[index - 2])
                let first = rotateLeft(early, 25) ^ rotateLeft(early, 14) ^ early >> 3
                let second = rotateLeft(late, 15) ^ rotateLeft(late, 13) ^ late >> 10
                words.append(words[index - 16] &+ first &+ words[index - 7] &+ second)
            }
            var work = state
            for index in 0..<64 {
                let (a, e) = (work[0], work[4])
                let sum1 = rotateLeft(e, 26) ^ rotateLeft(e, 21) ^ rotateLeft(e, 7)
                let choice = e & work[5] ^ ~e & work[6]
                let first = work[7] &+ sum1 &+ choice &+ constants[index] &+ words[index]
                let sum0 = rotateLeft(a, 30) ^ rotateLeft(a, 19) ^ rotateLeft(a, 10)
                let majority = a & work[1] ^ a & work[2] ^ work[1] & work[2]
                work = [first &+ sum0 &+ majority, a, work[1], work[2], work[3] &+ first, e, work[5], work[6]]
            }
            for index in 0..<8 { state[index] &+= work[index] }
        }
        return bytes(state)
    }

    private static let primes = (2..<312).filter { number in (2..<number).allSatisfy { number % $0 != 0 } }

    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    private static let constants: [UInt32] = primes.prefix(64).map { prime in
        // The largest integer whose cube is not above prime · 2^96, found bit by bit.
        var root: UInt64 = 0
        for bit in stride(from: UInt64(34), through: 0, by: -1) {
            let candidate = root | 1 << bit
            if isCube(candidate, atMost: UInt64(prime)) { root = candidate }
        }
        return UInt32(truncatingIfNeeded: root)
    }

    /// Whether candidate³ ≤ prime · 2^96, in 128-bit arithmetic.
    private static func isCube(_ candidate: UInt64, atMost prime: UInt64) -> Bool {
        let value = UInt128(candidate)
        return value * value * value <= UInt128(prime) << 96
    }

    private static func fraction(of value: Double) -> UInt32 {
        UInt32(truncatingIfNeeded: UInt64(value * 4_294_967_296))
    }

    private static func rotateLeft(_ value: UInt32, _ count: UInt32) -> UInt32 {
        value << count | value >> (32 - count)
    }

    private static func blocks(_ message: [UInt8]) -> [[UInt32]] {
        var padded = message + [0x80]
        while padded.count % 64 != 56 { padded.append(0) }
        padded.append(bigEndian: UInt64(message.count) * 8)
        return stride(from: 0, to: padded.count, by: 64).map { start in
            (0..<16).map { word in
                padded[start + 4 * word..<start + 4 * word + 4].reduce(0) { $0 << 8 | UInt32($1) }
            }
        }
    }

    private static func bytes(_ words: [UInt32]) -> [UInt8] {
        var output: [UInt8] = []
        for word in words { output.append(bigEndian: word) }
        return output
    }
}
