/// Collects what is wrong and what is remarkable while the configuration is read.
struct SettingsReport {
    static let maximumProblems = 100
    /// Ignored settings of MediaMTX up to this number have a remark each; more are gathered by the map they are in.
    static let maximumIgnoredAlone = 8

    private(set) var faults: [SettingProblem] = []
    private(set) var remarks: [SettingProblem] = []
    private var ignored: [(origin: SettingOrigin, map: String, key: String)] = []
    private var faultsLeftOut = 0

    mutating func fault(_ origin: SettingOrigin, _ key: String, _ message: String) {
        guard faults.count < Self.maximumProblems else {
            faultsLeftOut += 1
            return
        }
        faults.append(SettingProblem(origin: origin, key: key, message: message))
    }

    mutating func remark(_ origin: SettingOrigin, _ key: String, _ message: String) {
        guard remarks.count < Self.maximumProblems else { return }
        remarks.append(SettingProblem(origin: origin, key: key, message: message))
    }

    /// A key that is not declared: a remark when MediaMTX has it, else a fault with a suggestion.
    ///
    /// - Parameter prefix: The map it is in, with a dot at the end, or empty.
    mutating func unknown(_ entry: SettingEntry, prefix: String, known: [String]) {
        let shown = prefix + entry.key.escapedForDisplay(limit: 80)
        if let danger = MediaMTXKeys.protection(lostBy: entry) {
            fault(entry.keyOrigin, shown, danger)
        } else if let advice = MediaMTXKeys.elsewhere[entry.key] {
            remark(entry.keyOrigin, shown, "known MediaMTX setting, not needed here; ignored: \(advice)")
        } else if MediaMTXKeys.notAvailable.contains(entry.key) {
            ignored.append((entry.keyOrigin, prefix, entry.key))
        } else {
            let nearest = NearestKey.of(entry.key, among: known)
            fault(entry.keyOrigin, shown, "unknown setting" + (nearest.map { "; did you mean '\($0)'?" } ?? ""))
        }
    }

    /// Writes the remarks and the last fault that only the whole can give. Call once, when everything is read.
    mutating func finish() {
        if faultsLeftOut > 0, let last = faults.last {
            faults.append(SettingProblem(origin: last.origin, message: "and \(faultsLeftOut) more faults"))
        }
        let explanation = "known MediaMTX setting, not available in this version; ignored"
        guard ignored.count > Self.maximumIgnoredAlone else {
            for (origin, map, key) in ignored { remark(origin, map + key, explanation) }
            return
        }
        var maps: [String] = []
        var keys: [String: [String]] = [:]
        var origins: [String: SettingOrigin] = [:]
        for (origin, map, key) in ignored {
            if keys[map] == nil {
                maps.append(map)
                origins[map] = origin
            }
            keys[map, default: []].append(origin.line.map { "\(key) (line \($0))" } ?? key)
        }
        for map in maps {
            guard let names = keys[map], let origin = origins[map] else { continue }
            remark(
                origin, String(map.dropLast()),
                "\(names.count) known MediaMTX settings, not available in this version; ignored: "
                    + names.joined(separator: ", "))
        }
    }
}
