/// Which paths a route answers: `/rooms`, `/{room...}/whip`, `/{room...}/whip/{session}`.
///
/// `{name}` stands for one segment, `{name...}` for one or more; a pattern has at most one of those, and room names
/// that hold slashes are why it exists: such routes are told apart by their last segments. A trailing slash in the path
/// makes no difference.
struct RoutePattern: Hashable, Sendable {
    enum Part: Hashable, Sendable {
        case literal(String)
        case parameter(String)
    }

    private(set) var prefix: [Part] = []
    /// The name of the part that stands for several segments.
    private(set) var multiple: String?
    private(set) var suffix: [Part] = []

    init(_ text: String) {
        for word in text.split(separator: "/") {
            guard word.hasPrefix("{"), word.hasSuffix("}") else {
                append(.literal(String(word)))
                continue
            }
            let name = word.dropFirst().dropLast()
            if name.hasSuffix("..."), multiple == nil {
                multiple = String(name.dropLast(3))
            } else {
                append(.parameter(String(name)))
            }
        }
    }

    private mutating func append(_ part: Part) {
        if multiple == nil { prefix.append(part) } else { suffix.append(part) }
    }

    /// Of two patterns that match a path, the one that says more about it wins: first one without `...`, then the one
    /// with more literal segments.
    var specificity: (Int, Int) {
        let literals = (prefix + suffix).count { if case .literal = $0 { true } else { false } }
        return (multiple == nil ? 1 : 0, literals)
    }

    /// The parameters of a path this pattern matches; nil when it does not.
    func match(_ segments: [String]) -> [String: String]? {
        let fixed = prefix.count + suffix.count
        guard multiple == nil ? segments.count == fixed : segments.count > fixed else { return nil }
        var parameters: [String: String] = [:]
        guard Self.match(prefix, segments.prefix(prefix.count), &parameters),
            Self.match(suffix, segments.suffix(suffix.count), &parameters)
        else { return nil }
        if let multiple {
            parameters[multiple] = segments.dropFirst(prefix.count).dropLast(suffix.count).joined(separator: "/")
        }
        return parameters
    }

    private static func match(
        _ parts: [Part], _ segments: ArraySlice<String>, _ parameters: inout [String: String]
    ) -> Bool {
        for (part, segment) in zip(parts, segments) {
            switch part {
            case .literal(let text): guard text == segment else { return false }
            case .parameter(let name): parameters[name] = segment
            }
        }
        return true
    }
}
