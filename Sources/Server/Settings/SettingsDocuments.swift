import HTTP
import ICE
import SDP
import Secure

/// The sample file and the reference, written from the declarations so that neither can be out of date.
public enum SettingsDocuments {
    /// `config/martlet.yml`: every setting with its default. Reading it gives the defaults.
    public static var sample: String {
        var text = """
            # Settings of Martlet. Every setting is here with its default; delete what you do not change.
            # Environment variables win over this file: MTX_LOGLEVEL, MTX_PATHS_CAM1_MAXREADERS.
            # Durations are written 10s, 1m30s or 500ms.

            """
        let defaults = ServerSettings()
        for section in SettingSection.allCases {
            let settings = ServerSettings.declarations.filter { $0.section == section }
            guard !settings.isEmpty else { continue }
            text += "\n# \(section.rawValue)\n"
            for setting in settings { text += entry(setting, defaults, indent: "") }
        }
        text += "\n# What every path starts from.\npathDefaults:\n"
        for setting in PathSettings.declarations { text += entry(setting, PathSettings(), indent: "  ") }
        text += """

            # Rooms that may exist: a name, a regular expression after '~' (the first that matches), or all_others.
            # Each takes the settings of pathDefaults.
            paths:
              all_others:

            """
        return text
    }

    private static func entry<Root>(_ setting: Setting<Root>, _ defaults: Root, indent: String) -> String {
        var text = "\(indent)# \(setting.help)\n"
        if !setting.accepted.isEmpty { text += "\(indent)# \(setting.typeName), \(setting.accepted)\n" }
        return text + "\(indent)\(setting.key): \(setting.text(defaults))\n"
    }

    /// `docs/settings.md`: what each setting takes, where, and whether a running server takes it.
    public static var reference: String {
        var text = """
            # Settings

            Generated from the declarations in `Sources/Server/Settings`; a test fails when this file differs.

            Settings are read from a YAML file and from the environment, which wins. The variable of a setting is its
            name in capitals after `MTX_` or `MARTLET_` (the stronger of the two); `RTSP_` is read too. Lists are
            written with commas, paths as `MTX_PATHS_CAM1_MAXREADERS`, elements of lists of maps as
            `MTX_WEBRTCICESERVERS2_0_URL`. An unknown setting in the file is an error. A setting of MediaMTX that is
            not available yet is a warning, or an error when the server would be more open without it.

            "Running" says whether a running server takes a new value when it reads its settings again.

            """
        let defaults = ServerSettings()
        for section in SettingSection.allCases {
            let settings = ServerSettings.declarations.filter { $0.section == section }
            guard !settings.isEmpty else { continue }
            text += "\n## \(section.rawValue)\n\n" + tableHead
            for setting in settings { text += row(setting, defaults) }
        }
        text += """

            ## \(SettingSection.path.rawValue)

            `pathDefaults` holds what every path starts from, `paths` a map from names to settings of one path. A name
            is a room name, a regular expression after `~` (linear-time, found anywhere in the name unless anchored;
            the first in the file wins) or `all_others` (older: `all`). A name wins over a pattern, a pattern over
            `all_others`. Without `paths` every room may exist.

            A room name is 1 to \(RoomName.maximumLength) bytes of letters, digits and `_ . ~ - : /`; its parts between
            slashes are neither empty nor `.` nor `..`. No part may be
            \(list(RoomName.reservedAnywhere)); the first part may not be
            \(list(RoomName.reservedFirst)).


            """
        text += tableHead
        for setting in PathSettings.declarations { text += row(setting, PathSettings()) }
        text += """

            ## Names of other programs

            | variable | setting |
            | --- | --- |
            | `TCP_ADDRESS`, `TCP_PORT` | `webrtcAddress` |
            | `UDP_ADDRESS`, `UDP_PORT` | `webrtcLocalUDPAddress` |
            | `CERTS_DIR` | `webrtcServerCert` (`cert.pem` in it), `webrtcServerKey` (`key.pem` in it) |
            | `STORAGE_DIR` | read, but thumbnails are not available in this version |


            """
        return text + fixedLimits
    }

    /// Bounds no setting changes, each with the constant that holds it.
    private static var fixedLimits: String {
        let http = HTTPLimits()
        let server = HTTPServerSettings()
        let sdp = SDPLimits.standard
        let limits: [(what: String, value: Int, name: String)] = [
            ("bytes of a request target", http.targetBytes, "HTTPLimits.targetBytes"),
            ("bytes of all header fields", http.headerBytes, "HTTPLimits.headerBytes"),
            ("header fields", http.headerFields, "HTTPLimits.headerFields"),
            ("bytes of a body", Router.defaultBodyLimit, "Router.defaultBodyLimit"),
            ("milliseconds between two requests", Int(http.idleMilliseconds), "HTTPLimits.idleMilliseconds"),
            (
                "HTTP connections from one address", server.maximumConnectionsPerAddress,
                "HTTPServerSettings.maximumConnectionsPerAddress"
            ),
            ("output bytes queued for a client", server.maximumQueuedBytes, "HTTPServerSettings.maximumQueuedBytes"),
            ("lines of an offer", sdp.maximumLines, "SDPLimits.maximumLines"),
            ("media sections of an offer", sdp.maximumMediaSections, "SDPLimits.maximumMediaSections"),
            ("candidates of a PATCH", TrickleFragment.maximumCandidates, "TrickleFragment.maximumCandidates"),
            ("bytes of a PATCH", TrickleFragment.maximumBytes, "TrickleFragment.maximumBytes"),
            ("answers kept for Idempotency-Key", AnswerReplay.maximumAnswers, "AnswerReplay.maximumAnswers"),
            ("addresses of a session", ICELimits.maximumTuples, "ICELimits.maximumTuples"),
            ("SSRCs of a publisher", SRTPReceiver.maximumStreams, "SRTPReceiver.maximumStreams"),
            (
                "milliseconds between two attempts to pull or push", Int(ReconnectPause.longestMilliseconds),
                "ReconnectPause.longestMilliseconds"
            ),
            (
                "seconds until UDP that brings nothing gives way to TCP", Int(RTSPPuller.trialSeconds),
                "RTSPPuller.trialSeconds"
            ),
            ("redirections of a source in a row", RTSPSource.maximumRedirections, "RTSPSource.maximumRedirections"),
            (
                "sources of patterns and `all_others` at a time", RTSPSources.maximumPatterned,
                "RTSPSources.maximumPatterned"
            ),
            (
                "bytes read of an RTSP description", RTSPDescriptionRepair.maximumBytes,
                "RTSPDescriptionRepair.maximumBytes"
            ),
            (
                "listeners to the events, and as many to the rooms", ListenerPlaces.Limits().subscribers,
                "ListenerPlaces.Limits"
            ),
            (
                "of these from one address", ListenerPlaces.Limits().subscribersPerAddress, "ListenerPlaces.Limits"
            ),
            ("short-lived tokens of the events", FeedTokens.maximum, "FeedTokens.maximum"),
            ("failed sessions that /check remembers", FailureBook.maximumEntries, "FailureBook.maximumEntries"),
            (
                "of these from one address", FailureBook.maximumEntriesPerAddress,
                "FailureBook.maximumEntriesPerAddress"
            ),
            ("bytes of a settings file", YAMLReader.maximumSize, "YAMLReader.maximumSize"),
        ]
        return "## Limits that are not settings\n\n| what | at most | in the sources |\n| --- | --- | --- |\n"
            + limits.map { "| \($0.what) | \($0.value) | `\($0.name)` |\n" }.joined()
    }

    private static let tableHead =
        "| setting | takes | default | running | meaning |\n| --- | --- | --- | --- | --- |\n"

    private static func row<Root>(_ setting: Setting<Root>, _ defaults: Root) -> String {
        let takes = setting.accepted.isEmpty ? setting.typeName : "\(setting.typeName), \(setting.accepted)"
        var help = setting.help
        let others =
            setting.aliases.map { "`\($0.name)`" + ($0.isInverted ? " (the opposite)" : "") }
            + setting.environmentNames.map { "variable `\($0)`" }
        if !others.isEmpty { help += " Also: \(others.joined(separator: ", "))." }
        return "| `\(setting.key)` | \(takes) | `\(setting.text(defaults))` | \(setting.isReloadable ? "yes" : "no") "
            + "| \(help) |\n"
    }

    private static func list(_ words: Set<String>) -> String {
        words.sorted().map { "`\($0)`" }.joined(separator: " ")
    }
}
