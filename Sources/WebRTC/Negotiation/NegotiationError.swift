/// Why an offer gets no answer. The text is a sentence for the person who runs the client.
public enum NegotiationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The offer contradicts itself or the rules of offer and answer (HTTP 400).
    case malformed(String)
    /// The offer is sound, but this server cannot or will not accept it (HTTP 422).
    case unacceptable(String)
    /// A viewer's offer is sound, but has nothing of what the room has (HTTP 406 with a counter-offer, or 422).
    case unmatched(String)

    public var description: String {
        switch self {
        case .malformed(let detail), .unacceptable(let detail), .unmatched(let detail): detail
        }
    }
}
