/// An older or shorter name under which a setting is still read.
public struct SettingAlias: Sendable, Hashable, ExpressibleByStringLiteral {
    public var name: String
    /// The old name meant the opposite, as in `disablePublisherOverride`.
    public var isInverted: Bool

    public init(_ name: String, isInverted: Bool = false) {
        self.name = name
        self.isInverted = isInverted
    }

    public init(stringLiteral name: String) { self.init(name) }
}

/// The one declaration of a setting of `Root`. Reading, environment names, checks, the sample file and the reference
/// table all come from it; the default is the property's initial value.
public struct Setting<Root: Sendable>: Sendable {
    public let key: String
    public let section: SettingSection
    /// One sentence for the operator.
    public let help: String
    /// Whether a running server takes a new value without a restart.
    public let isReloadable: Bool
    public let aliases: [SettingAlias]
    /// Whole names of environment variables beside the derived ones.
    public let environmentNames: [String]
    /// What kind of value it takes, as in `duration`.
    public let typeName: String
    /// What is accepted, as in `from 1s to 10m`.
    public let accepted: String
    /// Keys of the maps in a list of maps; empty for every other type.
    let elementKeys: [String]

    let read: @Sendable (SettingNode, inout Root) throws(SettingFault) -> Void
    let text: @Sendable (Root) -> String

    init<Value>(
        _ key: String, _ path: any WritableKeyPath<Root, Value> & Sendable, _ type: SettingType<Value>,
        in section: SettingSection, reloadable: Bool = false, aliases: [SettingAlias] = [],
        environment: [String] = [], _ help: String
    ) {
        self.key = key
        self.section = section
        self.help = help
        isReloadable = reloadable
        self.aliases = aliases
        environmentNames = environment
        typeName = type.name
        accepted = type.accepted
        elementKeys = type.elementKeys
        let read = type.read
        let write = type.write
        self.read = { (node: SettingNode, root: inout Root) throws(SettingFault) in
            root[keyPath: path] = try read(node)
        }
        text = { write($0[keyPath: path]) }
    }

    /// The key and its older names, each with whether it means the opposite.
    var names: [SettingAlias] { [SettingAlias(key)] + aliases }
}

/// A heading of the sample file and the reference.
public enum SettingSection: String, Sendable, CaseIterable {
    case logging = "Logging"
    case server = "HTTP server"
    case webrtc = "WebRTC"
    case rtsp = "RTSP"
    case metrics = "Metrics"
    case authorization = "Authorization"
    case limits = "Limits"
    case path = "Paths"
}

extension Setting {
    /// Reads the entries of one map into `root`, adding to `report` what is wrong with each.
    static func read(
        _ entries: [SettingEntry], declarations: [Setting], prefix: String, skipping handled: Set<String> = [],
        into root: inout Root, report: inout SettingsReport
    ) {
        var names: [String: (setting: Setting, alias: SettingAlias)] = [:]
        for setting in declarations {
            for alias in setting.names { names[alias.name] = (setting, alias) }
        }
        var seen: [String: String] = [:]
        for entry in entries where !handled.contains(entry.key) {
            let shown = prefix + entry.key.escapedForDisplay(limit: 80)
            guard let (setting, alias) = names[entry.key] else {
                report.unknown(entry, prefix: prefix, known: names.keys.sorted() + handled.sorted())
                continue
            }
            if let other = seen.updateValue(entry.key, forKey: setting.key) {
                report.fault(entry.keyOrigin, shown, "means the same as '\(other)', which is also there")
                continue
            }
            if alias.name != setting.key {
                report.remark(
                    entry.keyOrigin, shown,
                    "is the old name of '\(setting.key)'\(alias.isInverted ? ", which means the opposite" : "")")
            }
            do throws(SettingFault) {
                let node = alias.isInverted ? try entry.value.invertedBoolean() : entry.value
                try setting.read(node, &root)
            } catch {
                report.fault(
                    error.origin ?? entry.value.origin, shown,
                    "\(error.message); accepted: \(setting.typeName)"
                        + (setting.accepted.isEmpty ? "" : ", \(setting.accepted)"))
            }
        }
    }
}

extension SettingNode {
    fileprivate func invertedBoolean() throws(SettingFault) -> SettingNode {
        var copy = self
        copy.content = .scalar(try SettingType<Bool>.boolean.read(self) ? "no" : "yes")
        return copy
    }
}
