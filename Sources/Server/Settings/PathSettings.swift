public import RTSP

/// The settings of a path, as `pathDefaults` and `paths` write them.
public struct PathSettings: Sendable {
    public var source = PathSource.publisher
    public var sourceOnDemand = false
    public var sourceOnDemandStartTimeout = Duration.seconds(10)
    public var sourceOnDemandCloseAfter = Duration.seconds(10)
    public var overridePublisher = true
    public var maxReaders = 0
    public var publishToken: AccessToken?
    public var readToken: AccessToken?
    public var whepIdlePolicy = WHEPIdlePolicy.conflict409

    public init() {}
}

/// Where a path's media comes from.
public enum PathSource: Sendable, Hashable {
    /// Whoever publishes to it.
    case publisher
    /// The server pulls it from another RTSP server.
    case rtsp(RTSPURL)
    /// A source of MediaMTX that this version cannot open; rooms of the path do not exist.
    case unavailable(String)
}

extension PathSource {
    /// The address to pull from; nil for other sources.
    var rtspURL: RTSPURL? { if case .rtsp(let url) = self { url } else { nil } }
}

extension PathSettings {
    /// Whether a source that runs may go on under the other settings.
    func isSamePull(as other: PathSettings) -> Bool {
        source == other.source && sourceOnDemand == other.sourceOnDemand
            && sourceOnDemandStartTimeout == other.sourceOnDemandStartTimeout
            && sourceOnDemandCloseAfter == other.sourceOnDemandCloseAfter
    }
}

/// The settings of one room, immutable; a reload gives the room a new value with a higher version.
@dynamicMemberLookup
public struct RoomSettings: Sendable {
    public let room: String
    /// The version of the ``ServerSettings`` it came from.
    public let version: UInt64
    /// The key in `paths` that decided it.
    public let entry: String
    public let path: PathSettings

    public init(room: String, version: UInt64, entry: String, path: PathSettings) {
        self.room = room
        self.version = version
        self.entry = entry
        self.path = path
    }

    public subscript<Value>(dynamicMember member: KeyPath<PathSettings, Value>) -> Value { path[keyPath: member] }
}

extension PathSettings {
    static let declarations: [Setting<PathSettings>] = [
        Setting(
            "source", \.source, .source, in: .path,
            "Where the media comes from: 'publisher' is whoever publishes to the path, rtsp://user:password@host/path is pulled."
        ),
        Setting(
            "sourceOnDemand", \.sourceOnDemand, .boolean, in: .path, reloadable: true,
            "Pulls the source only while somebody watches."),
        Setting(
            "sourceOnDemandStartTimeout", \.sourceOnDemandStartTimeout, .duration(.seconds(1)...(.seconds(300))),
            in: .path, reloadable: true, "How long the first viewer waits for a source on demand."),
        Setting(
            "sourceOnDemandCloseAfter", \.sourceOnDemandCloseAfter, .duration(.zero...(.seconds(3_600))), in: .path,
            reloadable: true, "How long a source on demand goes on after the last viewer."),
        Setting(
            "overridePublisher", \.overridePublisher, .boolean, in: .path, reloadable: true,
            aliases: [SettingAlias("disablePublisherOverride", isInverted: true)],
            "Lets a new publisher take over from the present one; otherwise it is refused."),
        Setting(
            "maxReaders", \.maxReaders, .integer(0...1_000_000, zeroMeans: "no limit"), in: .path, reloadable: true,
            "Viewers the room admits at the same time."),
        Setting(
            "publishToken", \.publishToken, .token, in: .path, reloadable: true,
            "Bearer token needed to publish to the room; empty for whipToken, and without that anyone may."),
        Setting(
            "readToken", \.readToken, .token, in: .path, reloadable: true,
            "Bearer token needed to watch the room; empty when anyone may."),
        Setting(
            "whepIdlePolicy", \.whepIdlePolicy, .choice(), in: .path, reloadable: true,
            "Answer to a viewer while nobody publishes: 409 with Retry-After, or 404."),
    ]
}

extension SettingType<PathSource> {
    private static let availableLater = [
        "rtsps", "rtmp", "rtmps", "http", "https", "whep", "wheps", "srt", "udp", "udp+mpegts", "unix+mpegts",
        "udp+rtp", "unix+rtp", "rtsp+http", "rtsp+ws", "rtsps+http", "rtsps+ws", "moqt",
    ]

    static let source = SettingType(
        name: "source", accepted: "publisher or an rtsp:// URL",
        read: { (node) throws(SettingFault) in
            let text = try node.scalar()
            if text.isEmpty || text == "publisher" { return .publisher }
            if text.hasPrefix("rtsp://") {
                guard let url = RTSPURL(text) else { throw SettingFault("the URL of the source cannot be read") }
                return .rtsp(url)
            }
            let scheme = text.split(separator: ":", maxSplits: 1).first.map(String.init) ?? ""
            guard text == "redirect" || text == "rpiCamera" || text.contains("://") && availableLater.contains(scheme)
            else { throw SettingFault("\(node.summary) is not a source") }
            return .unavailable(scheme)
        },
        write: { source in
            switch source {
            case .publisher: "publisher"
            // Without user and password.
            case .rtsp(let url): "'\(url.text)'"
            case .unavailable(let scheme): scheme
            }
        })
}
