/// What a request is about: a stream path, and perhaps one of its tracks.
///
/// Clients put the track in front of the query, behind it, or leave a slash at the end (RTSP-19); all of them mean
/// the same here.
public struct RTSPTarget: Hashable, Sendable {
    /// Without slashes at its ends, percent escapes resolved.
    public var path: String
    /// Without the question mark; nil when there is none.
    public var query: String?
    /// The number of the track whose control was found.
    public var track: Int?

    public init(path: String, query: String? = nil, track: Int? = nil) {
        self.path = path
        self.query = query
        self.track = track
    }

    /// What the server calls its tracks in descriptions.
    public static func control(ofTrack index: Int) -> String { "trackID=\(index)" }

    /// The target of a request for tracks that the server named.
    public init(url: String) {
        let resource = Self.resource(of: url)
        if let marker = Self.lastRange(of: "/trackID=", in: resource) {
            let digits = resource[marker.upperBound...].prefix { $0.isASCII && $0.isNumber }
            let tail = resource[digits.endIndex...]
            if let number = digits.decimal(upTo: 255), tail.isEmpty || tail.first == "?" || tail.first == "/" {
                self.init(resource: String(resource[..<marker.lowerBound]) + tail, track: number)
                return
            }
        }
        self.init(resource: resource, track: nil)
    }

    /// The target of a request for tracks that a publisher named by `controls` in its description.
    public init(url: String, controls: [String]) {
        let resource = Self.resource(of: url)
        for (index, control) in controls.enumerated() where !control.isEmpty && control != "*" {
            if control.contains("://") {
                // Behind a NAT the host may be another; what follows it is the same.
                if Self.resource(of: control) == resource {
                    self.init(resource: resource, track: index)
                    return
                }
                continue
            }
            guard let found = Self.lastRange(of: "/" + control, in: resource) else { continue }
            let tail = resource[found.upperBound...]
            guard tail.isEmpty || tail.first == "?" || tail.first == "/" || tail.first == "&" else { continue }
            self.init(resource: String(resource[..<found.lowerBound]) + tail, track: index)
            return
        }
        self.init(resource: resource, track: controls.count == 1 ? 0 : nil)
    }

    private init(resource: String, track: Int?) {
        let parts = resource.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = PercentCoding.decoded(Self.trimmingSlashes(parts.first ?? ""))
        let query = parts.count > 1 ? Self.trimmingSlashes(parts[1]) : ""
        self.query = query.isEmpty ? nil : String(query)
        self.track = track
    }

    /// The value of `name` in the query.
    public func queryValue(_ name: String) -> String? {
        guard let query else { return nil }
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, parts[0] == name { return PercentCoding.decoded(parts[1]) }
        }
        return nil
    }

    /// Whether `name` stands in the query, with or without a value.
    public func hasQueryItem(_ name: String) -> Bool {
        query?.split(separator: "&").contains { $0.prefix { $0 != "=" } == name } ?? false
    }

    /// What follows the authority of `url`, or `url` itself when it has none.
    static func resource(of url: String) -> String { RTSPURL(url)?.resource ?? url }

    private static func trimmingSlashes(_ text: Substring) -> Substring {
        var slice = text
        while slice.first == "/" { slice = slice.dropFirst() }
        while slice.last == "/" { slice = slice.dropLast() }
        return slice
    }

    private static func lastRange(of needle: String, in text: String) -> Range<String.Index>? {
        let haystack = Array(text.utf8)
        let wanted = Array(needle.utf8)
        guard haystack.count >= wanted.count else { return nil }
        var start = haystack.count - wanted.count
        while start >= 0 {
            if haystack[start..<start + wanted.count].elementsEqual(wanted) {
                let lower = text.utf8.index(text.startIndex, offsetBy: start)
                return lower..<text.utf8.index(lower, offsetBy: wanted.count)
            }
            start -= 1
        }
        return nil
    }
}
