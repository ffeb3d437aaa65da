public import Codecs
import Wire

extension ParameterSets {
    /// The parameter sets of a description: `sprop-parameter-sets` of H264 (RFC 6184, section 8.1), `sprop-vps`,
    /// `sprop-sps` and `sprop-pps` of H265 (RFC 7798, section 7.1). Unreadable ones are left out, and start codes, which
    /// some cameras put before each.
    ///
    /// - Parameter parameter: looks a format parameter up by its name in lower case.
    public static func announced(_ codec: Codec, _ parameter: (String) -> String?) -> [[UInt8]] {
        let names: [String] =
            switch codec {
            case .h264: ["sprop-parameter-sets"]
            case .h265: ["sprop-vps", "sprop-sps", "sprop-pps"]
            default: []
            }
        return names.flatMap { (parameter($0) ?? "").split(separator: ",") }.compactMap { Base64.decode($0) }
            .flatMap { unit in
                var found: [[UInt8]] = []
                unit.withBytes { bytes in
                    StartCodes.split(bytes, within: 0..<unit.count) { found.append(Array(unit[$0])) }
                }
                return found
            }
    }
}
