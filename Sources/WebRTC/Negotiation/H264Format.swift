public import SDP

/// Profile and packetization mode of an H264 payload type, with the matching rules of RFC 6184, section 8.2.2.
public struct H264Format: Hashable, Sendable {
    public enum Profile: Hashable, Sendable {
        case constrainedBaseline, baseline, extended, main, constrainedHigh, high, high10, high422, high444
    }

    public var profile: Profile
    /// The three bytes of `profile-level-id`.
    public var profileLevelID: UInt32
    public var packetizationMode: UInt8

    public var levelIDC: UInt8 { UInt8(truncatingIfNeeded: profileLevelID) }

    /// Absent parameters count as `profile-level-id=42000a` and `packetization-mode=0`; nil for values that are none.
    public init?(_ parameters: FormatParameters) {
        guard let id = Self.profileLevelID(parameters["profile-level-id"] ?? "42000a"),
            let profile = Profile(profileLevelID: id),
            let mode = UInt8(parameters["packetization-mode"] ?? "0"), mode <= 2
        else { return nil }
        self.profile = profile
        profileLevelID = id
        packetizationMode = mode
    }

    private static func profileLevelID(_ text: String) -> UInt32? {
        guard text.utf8.count == 6, text.utf8.first != UInt8(ascii: "+") else { return nil }
        return UInt32(text, radix: 16)
    }

    /// Whether two payload types are the same configuration: profile and mode, whatever the level.
    public func matches(_ other: H264Format) -> Bool {
        profile == other.profile && packetizationMode == other.packetizationMode
    }

    /// Whether a receiver of this format can unpack packets of `stream`: single NAL unit packets (mode 0) are also
    /// part of mode 1.
    public func canDepacketize(_ stream: H264Format) -> Bool {
        packetizationMode == stream.packetizationMode || packetizationMode == 1 && stream.packetizationMode == 0
    }

    /// The offered profile with the level of the stream, as six hexadecimal digits.
    func profileLevelID(withLevelOf stream: H264Format) -> String {
        let id = profileLevelID & 0xFFFF00 | stream.profileLevelID & 0xFF
        let digits = String(id, radix: 16)
        return String(repeating: "0", count: max(0, 6 - digits.utf8.count)) + digits
    }
}

extension H264Format.Profile {
    /// RFC 6184, table 5. Constraint flags that the table leaves reserved are not looked at.
    init?(profileLevelID: UInt32) {
        let constraints = UInt8(truncatingIfNeeded: profileLevelID >> 8)
        switch profileLevelID >> 16 {
        case 66: self = constraints & 0x40 != 0 ? .constrainedBaseline : .baseline
        case 77: self = constraints & 0x80 != 0 ? .constrainedBaseline : .main
        case 88:
            switch constraints & 0xC0 {
            case 0xC0: self = .constrainedBaseline
            case 0x80: self = .baseline
            default: self = .extended
            }
        case 100: self = constraints & 0x0C == 0x0C ? .constrainedHigh : .high
        case 110: self = .high10
        case 122: self = .high422
        case 44, 244: self = .high444
        default: return nil
        }
    }

    /// Whether a decoder of this profile takes a stream of `other`. Baseline counts as part of main and high: no
    /// encoder of live media uses the tools (FMO, ASO) that tell it apart from constrained baseline.
    public func decodes(_ other: Self) -> Bool {
        if self == other || other == .constrainedBaseline { return true }
        switch self {
        case .constrainedBaseline: return false
        case .baseline: return false
        case .extended: return other == .baseline
        case .main, .constrainedHigh: return other == .baseline
        case .high: return [.baseline, .main, .constrainedHigh].contains(other)
        case .high10: return [.baseline, .main, .constrainedHigh, .high].contains(other)
        case .high422: return [.baseline, .main, .constrainedHigh, .high, .high10].contains(other)
        case .high444: return other != .extended
        }
    }
}
