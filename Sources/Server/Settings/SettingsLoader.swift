/// A configuration that can be used, and what is worth saying about it.
public struct LoadedSettings: Sendable {
    public var settings: ServerSettings
    /// Old names, settings of MediaMTX that are not available, environment variables nobody reads.
    public var warnings: [SettingProblem]
}

/// Makes settings out of a file and the environment, which wins.
public enum SettingsLoader {
    /// - Parameters:
    ///   - yaml: The contents of the file; nil when there is none.
    ///   - name: How messages call the file.
    ///   - environment: All variables; those that are not for this program are passed over.
    ///   - version: One more than that of the settings in use.
    /// - Throws: Every fault found, each with where it is and what would be accepted.
    public static func load(
        yaml: [UInt8]?, name: String = "martlet.yml", environment: [String: String] = [:], version: UInt64 = 1
    ) throws(SettingsError) -> LoadedSettings {
        var root = SettingNode(content: .empty, origin: SettingOrigin(source: name, line: 1))
        if let yaml {
            do throws(SettingProblem) {
                root = try YAMLReader.read(yaml, name: name)
            } catch {
                throw SettingsError([error])
            }
        }
        var report = SettingsReport()
        var entries: [SettingEntry] = []
        switch root.content {
        case .empty: break
        case .map(let map): entries = map
        case .scalar, .list: report.fault(root.origin, "", "the file must be a map of settings, not \(root.summary)")
        }
        EnvironmentOverrides.apply(environment, to: &entries, report: &report)

        var settings = ServerSettings()
        settings.version = version
        Setting.read(
            entries, declarations: ServerSettings.declarations, prefix: "", skipping: ["pathDefaults", "paths"],
            into: &settings, report: &report)
        readPaths(entries, into: &settings, report: &report)
        check(settings, entries, report: &report)
        remarkOnHashedTokens(settings, entries, report: &report)
        report.finish()
        guard report.faults.isEmpty else { throw SettingsError(report.faults) }
        return LoadedSettings(settings: settings, warnings: report.remarks)
    }

    /// What `--check` prints: the faults, or the remarks and a last line that says all is well.
    public static func checkText(yaml: [UInt8], name: String, environment: [String: String] = [:]) -> (
        text: String, isValid: Bool
    ) {
        do throws(SettingsError) {
            let loaded = try load(yaml: yaml, name: name, environment: environment)
            let lines = loaded.warnings.map { "warning: \($0)" } + ["\(name): valid"]
            return (lines.joined(separator: "\n"), true)
        } catch {
            return (error.problems.map { "error: \($0)" }.joined(separator: "\n"), false)
        }
    }

    private static func readPaths(
        _ entries: [SettingEntry], into settings: inout ServerSettings, report: inout SettingsReport
    ) {
        if let defaults = entries.first(where: { $0.key == "pathDefaults" }) {
            read(defaults, prefix: "pathDefaults.", into: &settings.pathDefaults, report: &report)
        }
        for index in settings.paths.indices { settings.paths[index].settings = settings.pathDefaults }
        /// Without paths every room has the defaults.
        func checkDefaults() {
            for path in settings.paths {
                let origin = entries.first { $0.key == "pathDefaults" }?.keyOrigin
                checkSource(of: path, origin ?? SettingOrigin(source: "default"), "pathDefaults", report: &report)
            }
        }
        guard let paths = entries.first(where: { $0.key == "paths" }) else { return checkDefaults() }
        switch paths.value.content {
        case .empty: checkDefaults()
        case .scalar, .list: report.fault(paths.value.origin, "paths", "a map of path names is needed")
        case .map(let map):
            guard map.count <= maximumPaths else {
                report.fault(paths.value.origin, "paths", "more than \(maximumPaths) paths")
                return
            }
            settings.paths = []
            var others: PathEntry?
            for entry in map {
                let shown = "paths.\(entry.key.escapedForDisplay(limit: 80))"
                var values = settings.pathDefaults
                read(entry, prefix: shown + ".", into: &values, report: &report)
                guard let match = match(for: entry, shown: shown, report: &report) else { continue }
                if case .unavailable(let scheme) = values.source {
                    report.remark(
                        entry.keyOrigin, shown,
                        "the source '\(scheme)' is not available in this version; the path is not served")
                }
                if values.source == .redirect, values.sourceRedirect == nil {
                    report.fault(entry.keyOrigin, shown, "the source 'redirect' needs sourceRedirect")
                }
                let path = PathEntry(name: entry.key, match: match, settings: values)
                checkSource(of: path, entry.keyOrigin, shown, report: &report)
                guard case .allOthers = match else {
                    settings.paths.append(path)
                    continue
                }
                if others != nil { report.fault(entry.keyOrigin, shown, "means the same as another path") }
                others = path
            }
            if let others { settings.paths.append(others) }
        }
    }

    static let maximumPaths = 10_000

    /// A source that always plays needs one room to play in.
    private static func checkSource(
        of path: PathEntry, _ origin: SettingOrigin, _ shown: String, report: inout SettingsReport
    ) {
        guard path.roomName == nil, path.settings.source.rtspURL != nil, !path.settings.sourceOnDemand else { return }
        report.fault(
            origin, shown,
            "a path that is no single room (a pattern or all_others) and has a source needs 'sourceOnDemand: yes'")
    }

    private static func read(
        _ entry: SettingEntry, prefix: String, into values: inout PathSettings, report: inout SettingsReport
    ) {
        switch entry.value.content {
        case .empty: break
        case .map(let map):
            Setting.read(
                map, declarations: PathSettings.declarations, prefix: prefix, into: &values, report: &report)
        case .scalar, .list:
            report.fault(entry.value.origin, String(prefix.dropLast()), "a map of path settings is needed")
        }
    }

    private static func match(
        for entry: SettingEntry, shown: String, report: inout SettingsReport
    ) -> PathEntry.Match? {
        switch entry.key {
        case "all_others", "all":
            return .allOthers
        case let key where key.hasPrefix("~"):
            do throws(PatternError) {
                return .pattern(try PathPattern(String(key.dropFirst())))
            } catch {
                report.fault(entry.keyOrigin, shown, "not a regular expression: \(error.message)")
                return nil
            }
        default:
            if let problem = RoomName.problem(with: entry.key) {
                report.fault(entry.keyOrigin, shown, problem)
                return nil
            }
            return .name(entry.key)
        }
    }

    /// Digest is checked with the token itself, so without Basic no usual RTSP client can show one that is a hash here.
    private static func remarkOnHashedTokens(
        _ settings: ServerSettings, _ entries: [SettingEntry], report: inout SettingsReport
    ) {
        guard settings.rtsp, !settings.rtspAuthMethods.contains(.basic) else { return }
        let tokens =
            [("whipToken", settings.whipToken)]
            + settings.paths.flatMap { path in
                let shown = "paths.\(path.name.escapedForDisplay(limit: 80))"
                return [
                    ("\(shown).publishToken", path.settings.publishToken),
                    ("\(shown).readToken", path.settings.readToken),
                ]
            }
        let hashed = tokens.filter { $0.1?.isPlain == false }.map(\.0)
        guard let first = hashed.first else { return }
        report.remark(
            origin("rtspAuthMethods", entries), "rtspAuthMethods",
            "without 'basic' RTSP clients cannot log in where the token is written as sha256: \(first)"
                + (hashed.count > 1 ? " and \(hashed.count - 1) more" : ""))
    }

    private static func origin(_ key: String, _ entries: [SettingEntry]) -> SettingOrigin {
        entries.first { $0.key == key }?.value.origin ?? SettingOrigin(source: "default of \(key)")
    }

    /// Rules that concern more than one setting.
    private static func check(_ settings: ServerSettings, _ entries: [SettingEntry], report: inout SettingsReport) {
        func origin(_ key: String) -> SettingOrigin { Self.origin(key, entries) }
        if settings.metrics, !settings.metricsAddress.isLoopback, settings.metricsToken == nil {
            report.fault(
                origin("metricsAddress"), "metricsAddress",
                "metrics beyond this machine need metricsToken; accepted without it: 127.0.0.1:PORT or [::1]:PORT")
        }
        if settings.webrtcEncryption, settings.webrtcServerKey.isEmpty || settings.webrtcServerCert.isEmpty {
            report.fault(
                origin("webrtcEncryption"), "webrtcEncryption", "needs webrtcServerKey and webrtcServerCert")
        }
        if settings.logDestinations.contains(.file), settings.logFile.isEmpty {
            report.fault(origin("logDestinations"), "logDestinations", "the destination 'file' needs logFile")
        }
        if settings.webrtc, !settings.webrtcIPsFromInterfaces, settings.webrtcAdditionalHosts.isEmpty {
            report.fault(
                origin("webrtcIPsFromInterfaces"), "webrtcIPsFromInterfaces",
                "without it clients are offered no address; set webrtcAdditionalHosts")
        }
    }
}
