import Codecs
import RTP
import Streams
import Wire

extension TrackFormat {
    private static let layout: [(name: String, value: String)] = [
        ("mode", "AAC-hbr"), ("sizelength", "13"), ("indexlength", "3"), ("indexdeltalength", "3"),
    ]
    private static let otherLayouts: Set<String> = ["auxiliarydatasizelength", "constantsize", "constantduration"]

    /// The same sound in mode AAC-hbr of RFC 3640, as what the stream itself says of it.
    func refined(configuration: [UInt8]) -> TrackFormat {
        let description = payloadDescription
        var refined = self
        if AACDepacketizer.Layout(clockRate: clockRate, description.parameter)?.isHighBitrate != true {
            refined.parameters.removeAll { Self.otherLayouts.contains($0.name) }
            for (name, value) in Self.layout { refined.set(name, value) }
        }
        if description.audioSpecificConfig != configuration {
            refined.set(
                "config", configuration.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined())
        }
        return refined
    }

    private mutating func set(_ name: String, _ value: String) {
        if let index = parameters.firstIndex(where: { $0.name == name }) {
            parameters[index].value = value
        } else {
            parameters.append(Parameter(name: name, value: value))
        }
    }
}
