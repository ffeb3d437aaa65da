/// Why a session description or a trickle fragment was refused.
///
/// ``description`` is meant for the operator and for the client's error page: it names the line and never
/// repeats control characters or more than a few dozen bytes of the input.
public struct SDPError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// More bytes than ``SDPLimits/maximumBytes``.
        case tooLarge
        /// Some other limit of ``SDPLimits`` was passed.
        case limitExceeded
        /// The text is not a session description at all.
        case notSDP
        /// One line holds something that cannot be understood or tolerated.
        case malformed
    }

    public let kind: Kind
    /// Counted from 1; nil when the text as a whole is meant.
    public let line: Int?
    /// What is wrong, in words.
    public let problem: String

    public init(_ kind: Kind, line: Int? = nil, _ problem: String) {
        self.kind = kind
        self.line = line
        self.problem = problem
    }

    public var description: String {
        guard let line else { return problem }
        return "line \(line): \(problem)"
    }
}
