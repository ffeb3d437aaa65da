import HTTP
import Secure
import Wire

/// The first answers to POSTs that carried an Idempotency-Key, so that a client whose connection broke may ask again
/// and gets the session it has already (WHIP-20, draft-ietf-httpapi-idempotency-key-header). A value for one owner.
struct AnswerReplay {
    static let maximumAnswers = 1_024
    static let lifetimeSeconds: UInt64 = 120
    /// Longer keys are taken for none.
    static let maximumKeyLength = 255

    /// Stands for one client's key: keys of different tokens, addresses and paths never meet.
    struct Key: Hashable {
        fileprivate let digest: [UInt8]

        /// nil without a usable Idempotency-Key.
        init?(_ request: HTTPRequest, tokenDigest: [UInt8]?) {
            guard let text = request.headers["Idempotency-Key"], (1...maximumKeyLength).contains(text.utf8.count) else {
                return nil
            }
            var input: [UInt8] = []
            for part in [text, request.path.encoded, request.query["target_id"] ?? "", request.remoteAddress.host] {
                input.append(bigEndian: UInt32(clamping: part.utf8.count))
                input += part.utf8
            }
            input += tokenDigest ?? []
            digest = input.withBytes { Digest.sha256($0) }
        }
    }

    enum Decision {
        /// A new key: answer the request and say how with ``finish(_:_:sessionID:at:)``.
        case proceed
        case replay(HTTPResponse, sessionID: String)
        /// The first request with this key is not answered yet.
        case pending
        /// The key was used with another offer.
        case otherOffer
    }

    private struct Entry {
        var offer: [UInt8]
        var answer: (response: HTTPResponse, sessionID: String)?
        var expiry: Instant
    }

    private var entries: [Key: Entry] = [:]
    /// Oldest first; may name keys that are gone.
    private var order: [Key] = []

    init() {}

    var count: Int { entries.count }

    mutating func begin(_ key: Key, offer: [UInt8], at now: Instant) -> Decision {
        let digest = offer.withBytes { Digest.sha256($0) }
        if let entry = entries[key], entry.expiry > now {
            guard entry.offer == digest else { return .otherOffer }
            guard let answer = entry.answer else { return .pending }
            return .replay(answer.response, sessionID: answer.sessionID)
        }
        makeRoom(at: now)
        entries[key] = Entry(offer: digest, expiry: now.advanced(bySeconds: Self.lifetimeSeconds))
        order.append(key)
        return .proceed
    }

    /// Keeps the answer; without one, the request failed and the key is free again.
    mutating func finish(_ key: Key, _ response: HTTPResponse?, sessionID: String = "", at now: Instant) {
        guard let response else {
            entries[key] = nil
            return
        }
        entries[key]?.answer = (response, sessionID)
    }

    private mutating func makeRoom(at now: Instant) {
        while let oldest = order.first {
            let isOver = entries[oldest].map { $0.expiry <= now } ?? true
            guard isOver || order.count >= Self.maximumAnswers else { return }
            entries[oldest] = nil
            order.removeFirst()
        }
    }
}
