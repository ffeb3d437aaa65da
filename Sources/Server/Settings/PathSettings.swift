public import RTP
public import RTSP
public import Secure

/// The settings of a path, as `pathDefaults` and `paths` write them.
public struct PathSettings: Sendable {
    public var source = PathSource.publisher
    public var sourceRedirect: RTSPURL?
    public var sourceOnDemand = false
    public var sourceOnDemandStartTimeout = Duration.seconds(10)
    public var sourceOnDemandCloseAfter = Duration.seconds(10)
    public var sourceFingerprint: CertificateFingerprint?
    public var rtspTransport = RTSPPullTransport.automatic
    public var rtspAnyPort = false
    public var rtspBackChannel = false
    public var rtspUDPReadBufferSize = ByteCount(0)
    public var rtspUDPSourcePortRange = PortRange(first: 10_000, last: 65_535)
    public var forward: [ForwardTarget] = []
    public var overridePublisher = true
    public var publisherHoldTimeout = Duration.seconds(10)
    public var backupPublishers = BackupPublishers.asked
    public var maxBackupPublishers = 2
    public var backupSilenceTimeout = Duration.seconds(2)
    public var backupReturn = BackupReturn.after(.seconds(5))
    public var maxReaders = 0
    public var playoutDelay = PlayoutDelaySetting.publisher
    public var lossPlayoutDelay = Duration.milliseconds(500)
    public var publishToken: AccessToken?
    public var readToken: AccessToken?
    public var whepIdlePolicy = WHEPIdlePolicy.conflict409
    public var keyframeCache = true
    public var recoveryPointStart = RecoveryPointStart.after(.seconds(10))
    public var convertAudio = true
    public var convertedAudioBitrate = BitRate(96_000)

    public init() {}
}

/// Which further publishers of a room wait as backups.
public enum BackupPublishers: String, Sendable, CaseIterable {
    /// Those that ask for it by `?backup`.
    case asked
    /// All of them.
    case always
}

/// How long viewers are asked to hold video back.
public enum PlayoutDelaySetting: Sendable, Hashable {
    /// As the publisher says, if it does.
    case publisher
    case between(PlayoutDelay)
}

/// When a room goes back from a backup to its primary publisher.
public enum BackupReturn: Sendable, Hashable {
    case never, immediately
    /// Once the primary has sent without a pause for this long.
    case after(Duration)
}

/// When viewers begin at recovery points of an encoder with intra refresh, which sends no keyframes.
public enum RecoveryPointStart: Sendable, Hashable {
    case never
    /// Once there has been no keyframe for this long.
    case after(Duration)
}

/// Where a path's media comes from.
public enum PathSource: Sendable, Hashable {
    /// Whoever publishes to it.
    case publisher
    /// The server pulls it from another RTSP server.
    case rtsp(RTSPURL)
    /// Readers over RTSP are sent to `sourceRedirect`; there is no room.
    case redirect
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
            && sourceFingerprint == other.sourceFingerprint && rtspTransport == other.rtspTransport
            && rtspAnyPort == other.rtspAnyPort && rtspBackChannel == other.rtspBackChannel
            && rtspUDPSourcePortRange == other.rtspUDPSourcePortRange
            && rtspUDPReadBufferSize == other.rtspUDPReadBufferSize
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
            "Where media comes from: 'publisher' is whoever publishes to the path; rtsp://user:password@host/path is pulled."
        ),
        Setting(
            "sourceRedirect", \.sourceRedirect, .rtspURL, in: .path, reloadable: true,
            "Where RTSP readers are sent when the source is 'redirect'."),
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
            "sourceFingerprint", \.sourceFingerprint, .fingerprint, in: .path, reloadable: true,
            "SHA-256 of the certificate an rtsps:// source must show; without it the system's authorities decide."),
        Setting(
            "rtspTransport", \.rtspTransport, .choice(), in: .path, reloadable: true, aliases: ["sourceProtocol"],
            "How an rtsp:// source sends: automatic tries UDP, then TCP; rtsps:// always uses TCP."),
        Setting(
            "rtspAnyPort", \.rtspAnyPort, .boolean, in: .path, reloadable: true, aliases: ["sourceAnyPortEnable"],
            "Takes datagrams of a source or RTSP publisher from any port of its address, for wrong ones and those a NAT gives."
        ),
        Setting(
            "rtspBackChannel", \.rtspBackChannel, .boolean, in: .path, reloadable: true,
            "Asks the source for its back channel (ONVIF), by which RTSP readers of the path may speak, one at a time."),
        Setting(
            "rtspUDPReadBufferSize", \.rtspUDPReadBufferSize, .size(ByteCount(0)...ByteCount(1 << 30)), in: .path,
            reloadable: true,
            "What the kernel is asked to hold of the source's datagrams at each port; 0 is what udpReadBufferSize says."
        ),
        Setting(
            "rtspUDPSourcePortRange", \.rtspUDPSourcePortRange, .portRange, in: .path, reloadable: true,
            "The ports of this machine that sources send datagrams to."),
        Setting(
            "forward", \.forward, .list(of: .forwardTarget), in: .path, reloadable: true,
            "Servers that the media is pushed to while somebody publishes; $MTX_PATH stands for the path."),
        Setting(
            "overridePublisher", \.overridePublisher, .boolean, in: .path, reloadable: true,
            aliases: [SettingAlias("disablePublisherOverride", isInverted: true)],
            "Lets a new publisher take over from the present one; otherwise it is refused."),
        Setting(
            "publisherHoldTimeout", \.publisherHoldTimeout, .duration(.zero...(.seconds(3_600))), in: .path,
            reloadable: true, "How long viewers wait for a publisher that left before their sessions end."),
        Setting(
            "backupPublishers", \.backupPublishers, .choice(), in: .path, reloadable: true,
            "Further publishers that wait to stand in for the first: those that ask by ?backup, or always all of them."
        ),
        Setting(
            "maxBackupPublishers", \.maxBackupPublishers, .integer(0...16, zeroMeans: "none"), in: .path,
            reloadable: true, "Backup publishers that wait at the same time."),
        Setting(
            "backupSilenceTimeout", \.backupSilenceTimeout, .duration(.milliseconds(500)...(.seconds(60))), in: .path,
            reloadable: true,
            "Time without video after which a backup stands in for a publisher; at least 15s for sound."),
        Setting(
            "backupReturn", \.backupReturn, .backupReturn, in: .path, reloadable: true,
            "When the first publisher is shown again: at once, never, or after sending without a pause for this long."),
        Setting(
            "maxReaders", \.maxReaders, .integer(0...1_000_000, zeroMeans: "no limit"), in: .path, reloadable: true,
            "Viewers the room admits at the same time."),
        Setting(
            "playoutDelay", \.playoutDelay, .playoutDelay, in: .path, reloadable: true,
            "How long viewers that know the extension are asked to hold video back, at least and at most."),
        Setting(
            "lossPlayoutDelay", \.lossPlayoutDelay, .duration(.zero...(.seconds(5))), in: .path, reloadable: true,
            "The longest that viewers on lossy links are asked to hold video back, so that lost packets come again in time."
        ),
        Setting(
            "publishToken", \.publishToken, .token, in: .path, reloadable: true,
            "Bearer token needed to publish to the room; empty for whipToken, and without that anyone may."),
        Setting(
            "readToken", \.readToken, .token, in: .path, reloadable: true,
            "Bearer token needed to watch the room; empty when anyone may."),
        Setting(
            "whepIdlePolicy", \.whepIdlePolicy, .choice(), in: .path, reloadable: true,
            "Answer to a viewer while nobody publishes: 409 with Retry-After, or 404."),
        Setting(
            "keyframeCache", \.keyframeCache, .boolean, in: .path, reloadable: true,
            "Viewers begin at the latest keyframe when the publisher sends no fresh one at once; otherwise they wait."),
        Setting(
            "recoveryPointStart", \.recoveryPointStart, .recoveryPointStart, in: .path, reloadable: true,
            "How long a camera may send no keyframe before viewers begin at recovery points (intra refresh); 0s is at once."
        ),
        Setting(
            "convertAudio", \.convertAudio, .boolean, in: .path, reloadable: true,
            "Converts sound that browsers do not take (AAC, MPEG audio, AC-3, linear) to Opus while they listen."),
        Setting(
            "convertedAudioBitrate", \.convertedAudioBitrate, .bitRate(BitRate(6_000)...BitRate(510_000)), in: .path,
            reloadable: true, "Bits per second of converted sound, from when it is next begun."),
    ]
}

extension SettingType<PathSource> {
    private static let availableLater = [
        "rtmp", "rtmps", "http", "https", "whep", "wheps", "srt", "udp", "udp+mpegts", "unix+mpegts",
        "udp+rtp", "unix+rtp", "rtsp+http", "rtsp+ws", "rtsps+http", "rtsps+ws", "moqt",
    ]

    static let source = SettingType(
        name: "source", accepted: "publisher, redirect, or an rtsp:// or rtsps:// URL",
        read: { (node) throws(SettingFault) in
            let text = try node.scalar()
            if text.isEmpty || text == "publisher" { return .publisher }
            if text.hasPrefix("rtsp://") || text.hasPrefix("rtsps://") {
                guard let url = RTSPURL(text) else { throw SettingFault("the URL of the source cannot be read") }
                return .rtsp(url)
            }
            let scheme = text.split(separator: ":", maxSplits: 1).first.map(String.init) ?? ""
            if text == "redirect" { return .redirect }
            guard text == "rpiCamera" || text.contains("://") && availableLater.contains(scheme)
            else {
                // What has one of these may be a mistyped URL with a password; what stands before "://" is none.
                let isShown = !text.contains { "@/:".contains($0) }
                let isScheme = text.hasPrefix(scheme + "://")
                throw SettingFault(
                    isShown
                        ? "\(node.summary) is not a source"
                        : "\(isScheme ? "'\(scheme.escapedForDisplay(limit: 80))://…'" : "this URL") is not a source")
            }
            return .unavailable(scheme)
        },
        write: { source in
            switch source {
            case .publisher: "publisher"
            // Without user and password.
            case .rtsp(let url): "'\(url.text)'"
            case .redirect: "redirect"
            case .unavailable(let scheme): scheme
            }
        })
}

extension SettingType<RTSPURL?> {
    static let rtspURL = SettingType(
        name: "URL", accepted: "an rtsp:// or rtsps:// URL, or nothing",
        read: { (node) throws(SettingFault) in
            let text = try node.scalar()
            guard !text.isEmpty else { return nil }
            guard let url = RTSPURL(text) else { throw SettingFault("the URL cannot be read") }
            return url
        },
        write: { $0.map { "'\($0.text)'" } ?? "''" })
}
