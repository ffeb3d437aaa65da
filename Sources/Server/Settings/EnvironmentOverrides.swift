/// Lays environment variables over the entries of the file.
///
/// `MTX_LOGLEVEL`, `MTX_PATHS_CAM1_SOURCE` and `MTX_WEBRTCICESERVERS2_0_URL` are MediaMTX's forms; `MARTLET_` does the
/// same and wins, `RTSP_` is the old prefix. Whole names such as `WHIP_TOKEN` are weaker than all of them.
enum EnvironmentOverrides {
    static let prefixes = ["RTSP_", "MTX_", "MARTLET_"]
    static let maximumListIndex = 63

    static func apply(
        _ environment: [String: String], to entries: inout [SettingEntry], report: inout SettingsReport
    ) {
        applyWholeNames(environment, to: &entries, report: &report)
        for prefix in prefixes {
            let names = environment.keys.filter { $0.hasPrefix(prefix) }.sorted(by: naturalOrder)
            for name in names {
                guard let value = environment[name] else { continue }
                let node = SettingNode(content: .scalar(value), origin: origin(name))
                apply(String(name.dropFirst(prefix.count)), name, node, prefix, to: &entries, report: &report)
            }
        }
    }

    /// Shorter names first, so that `…_2_URL` comes before `…_10_URL` and elements are added in order.
    private static func naturalOrder(_ first: String, _ second: String) -> Bool {
        (first.utf8.count, first) < (second.utf8.count, second)
    }

    private static func origin(_ name: String) -> SettingOrigin {
        SettingOrigin(source: "environment variable \(name.escapedForDisplay(limit: 120))")
    }

    private static func applyWholeNames(
        _ environment: [String: String], to entries: inout [SettingEntry], report: inout SettingsReport
    ) {
        for setting in ServerSettings.declarations {
            for name in setting.environmentNames {
                guard let value = environment[name], !value.isEmpty else { continue }
                set(
                    setting.key, SettingNode(content: .scalar(value), origin: origin(name)), in: &entries,
                    replacing: setting.aliases.map(\.name))
            }
        }
        for (key, host, port, defaultPort) in [
            ("webrtcAddress", "TCP_ADDRESS", "TCP_PORT", "8889"),
            ("webrtcLocalUDPAddress", "UDP_ADDRESS", "UDP_PORT", "8189"),
        ] {
            var address = environment[host] ?? ""
            let portText = environment[port] ?? ""
            guard !address.isEmpty || !portText.isEmpty else { continue }
            if address.contains(":"), address.first != "[" { address = "[\(address)]" }
            let text = "\(address):\(portText.isEmpty ? defaultPort : portText)"
            let source = origin(portText.isEmpty ? host : port)
            set(key, SettingNode(content: .scalar(text), origin: source), in: &entries)
        }
        if let directory = environment["CERTS_DIR"], !directory.isEmpty {
            let base = directory.hasSuffix("/") ? directory : directory + "/"
            let origin = origin("CERTS_DIR")
            set("webrtcServerCert", SettingNode(content: .scalar(base + "cert.pem"), origin: origin), in: &entries)
            set("webrtcServerKey", SettingNode(content: .scalar(base + "key.pem"), origin: origin), in: &entries)
        }
        if let directory = environment["STORAGE_DIR"], !directory.isEmpty {
            report.remark(origin("STORAGE_DIR"), "", "thumbnails are not available in this version; ignored")
        }
    }

    private static func apply(
        _ rest: String, _ name: String, _ node: SettingNode, _ prefix: String, to entries: inout [SettingEntry],
        report: inout SettingsReport
    ) {
        if let setting = find(rest, in: ServerSettings.declarations) {
            set(setting.name, node, in: &entries, replacing: setting.others)
            return
        }
        for (head, key) in [("PATHDEFAULTS_", "pathDefaults"), ("PATHS_", "paths")] where rest.hasPrefix(head) {
            let tail = String(rest.dropFirst(head.count))
            if applyPath(tail, key, node, to: &entries) { return }
        }
        for setting in ServerSettings.declarations where !setting.elementKeys.isEmpty {
            let head = setting.key.uppercased() + "_"
            guard rest.hasPrefix(head) else { continue }
            if applyElement(String(rest.dropFirst(head.count)), setting, node, to: &entries) { return }
        }
        reportUnknown(rest, node, prefix, report: &report)
    }

    private static func applyPath(
        _ tail: String, _ key: String, _ node: SettingNode, to entries: inout [SettingEntry]
    ) -> Bool {
        let (pathName, settingName): (String?, String)
        if key == "pathDefaults" {
            (pathName, settingName) = (nil, tail)
        } else {
            guard let underscore = tail.lastIndex(of: "_"), underscore != tail.startIndex else { return false }
            pathName = String(tail[..<underscore])
            settingName = String(tail[tail.index(after: underscore)...])
        }
        guard let setting = find(settingName, in: PathSettings.declarations) else { return false }
        change(key, in: &entries, origin: node.origin) { map in
            guard let pathName else {
                set(setting.name, node, in: &map, replacing: setting.others)
                return
            }
            let existing = map.first { environmentSpelling($0.key) == pathName }?.key
            change(existing ?? pathName.lowercased(), in: &map, origin: node.origin) { values in
                set(setting.name, node, in: &values, replacing: setting.others)
            }
        }
        return true
    }

    private static func applyElement(
        _ tail: String, _ setting: Setting<ServerSettings>, _ node: SettingNode, to entries: inout [SettingEntry]
    ) -> Bool {
        let parts = tail.split(separator: "_", maxSplits: 1)
        guard parts.count == 2, let index = Int(parts[0]), (0...maximumListIndex).contains(index),
            let field = setting.elementKeys.first(where: { $0.uppercased() == parts[1] })
        else { return false }
        var items: [SettingNode] = []
        if case .list(let present) = entries.first(where: { $0.key == setting.key })?.value.content { items = present }
        guard index <= items.count else { return false }
        if index == items.count { items.append(SettingNode(content: .map([]), origin: node.origin)) }
        var fields: [SettingEntry] = []
        if case .map(let present) = items[index].content { fields = present }
        set(field, node, in: &fields)
        items[index].content = .map(fields)
        set(setting.key, SettingNode(content: .list(items), origin: node.origin), in: &entries)
        return true
    }

    private static func reportUnknown(
        _ rest: String, _ node: SettingNode, _ prefix: String, report: inout SettingsReport
    ) {
        // The old prefix is too common a word to have an opinion about what follows it.
        guard prefix != "RTSP_" else { return }
        let last = rest.split(separator: "_").last.map(String.init) ?? rest
        let known = MediaMTXKeys.ignored.first {
            let name = $0.uppercased()
            return rest == name || last == name || rest.hasPrefix(name + "_")
        }
        if let known {
            let entry = SettingEntry(key: known, keyOrigin: node.origin, value: node)
            report.unknown(entry, prefix: "", known: [])
            return
        }
        let candidates = ServerSettings.declarations.map { prefix + $0.key.uppercased() }
        let nearest = NearestKey.of(prefix + rest, among: candidates)
        report.remark(
            node.origin, "", "not a setting; ignored" + (nearest.map { "; did you mean \($0)?" } ?? ""))
    }

    /// A path name as it is written in a variable's name.
    static func environmentSpelling(_ name: String) -> String {
        String(name.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" })
    }

    private static func find<Root>(
        _ name: String, in declarations: [Setting<Root>]
    ) -> (name: String, others: [String])? {
        for setting in declarations {
            guard let alias = setting.names.first(where: { $0.name.uppercased() == name }) else { continue }
            return (alias.name, setting.names.map(\.name).filter { $0 != alias.name })
        }
        return nil
    }

    /// Replaces the value of `key`, under whichever of its names the file has it.
    private static func set(
        _ key: String, _ node: SettingNode, in entries: inout [SettingEntry], replacing others: [String] = []
    ) {
        entries.removeAll { others.contains($0.key) }
        if let index = entries.firstIndex(where: { $0.key == key }) {
            entries[index].value = node
            entries[index].keyOrigin = node.origin
        } else {
            entries.append(SettingEntry(key: key, keyOrigin: node.origin, value: node))
        }
    }

    /// Edits the map under `key`, which is made when it is missing. What is there and is no map stays, to be reported.
    private static func change(
        _ key: String, in entries: inout [SettingEntry], origin: SettingOrigin,
        _ body: (inout [SettingEntry]) -> Void
    ) {
        let index =
            entries.firstIndex { $0.key == key }
            ?? {
                entries.append(
                    SettingEntry(key: key, keyOrigin: origin, value: SettingNode(content: .empty, origin: origin)))
                return entries.count - 1
            }()
        var map: [SettingEntry]
        switch entries[index].value.content {
        case .empty: map = []
        case .map(let present): map = present
        case .scalar, .list: return
        }
        body(&map)
        entries[index].value.content = .map(map)
    }
}
