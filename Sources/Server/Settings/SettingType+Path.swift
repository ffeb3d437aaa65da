import RTP

extension SettingType<BackupReturn> {
    static let backupReturn: SettingType<BackupReturn> = {
        let duration = SettingType<Duration>.duration(.milliseconds(100)...(.seconds(3_600)))
        return SettingType(
            name: "word or duration", accepted: "immediately, never, or a duration \(duration.accepted)",
            read: { (node) throws(SettingFault) in
                switch try node.scalar() {
                case "immediately": return .immediately
                case "never": return .never
                default: return .after(try duration.read(node))
                }
            },
            write: { value in
                switch value {
                case .never: "never"
                case .immediately: "immediately"
                case .after(let time): duration.write(time)
                }
            })
    }()
}

extension SettingType<RecoveryPointStart> {
    static let recoveryPointStart: SettingType<RecoveryPointStart> = {
        let duration = SettingType<Duration>.duration(.zero...(.seconds(300)))
        return SettingType(
            name: "word or duration", accepted: "never, or a duration \(duration.accepted)",
            read: { (node) throws(SettingFault) in
                try node.scalar() == "never" ? .never : .after(try duration.read(node))
            },
            write: { value in
                switch value {
                case .never: "never"
                case .after(let time): duration.write(time)
                }
            })
    }()
}

extension SettingType<PlayoutDelaySetting> {
    static let playoutDelay: SettingType<PlayoutDelaySetting> = {
        let fault = "is not publisher, one duration, or two of them such as 100ms-400ms"
        return SettingType(
            name: "word or durations", accepted: "publisher, or the least and the most as in 0s-200ms, up to 40s",
            read: { (node) throws(SettingFault) in
                let text = try node.scalar()
                guard text != "publisher" else { return .publisher }
                let bounds = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
                    .map { Duration(settingText: String($0)) }
                guard let least = bounds.first ?? nil, let most = bounds.last ?? nil else {
                    throw SettingFault("\(node.summary) \(fault)")
                }
                guard most <= .seconds(40),
                    let delay = PlayoutDelay(
                        leastMilliseconds: Int(clamping: least.wholeNanoseconds / 1_000_000),
                        mostMilliseconds: Int(clamping: most.wholeNanoseconds / 1_000_000))
                else { throw SettingFault("\(node.summary) is out of range") }
                return .between(delay)
            },
            write: { value in
                guard case .between(let delay) = value else { return "publisher" }
                func text(_ units: UInt16) -> String { Duration.milliseconds(Int64(units) * 10).settingText }
                return "\(text(delay.least))-\(text(delay.most))"
            })
    }()
}
