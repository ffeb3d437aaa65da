import Codecs
import SDP
import Streams
import Wire

/// One media section of what a publisher or another server announced.
struct RTSPAnnouncedMedia: Sendable, Hashable {
    /// nil when the codec is not known here: the section is set up, its packets go nowhere.
    var format: TrackFormat?
    var payloadType: UInt8
    var clockRate: UInt32
    /// As the section names itself; empty when it does not.
    var control: String
}

/// Reads descriptions as encoders and cameras write them.
enum RTSPDescriptionReader {
    static func read(_ text: [UInt8]) throws(SDPError) -> [RTSPAnnouncedMedia] {
        let session = try SessionDescription(parsing: RTSPDescriptionRepair.repaired(text))
        return session.media.map { media in
            let control = media.otherAttributes.last { $0.name == "control" }?.value ?? ""
            let payloadType = media.payloadTypes.first ?? 0
            let map = media.rtpMap(for: payloadType)
            return RTSPAnnouncedMedia(
                format: map.flatMap { format(media, payloadType, $0) }, payloadType: payloadType,
                clockRate: map?.clockRate ?? 90_000, control: control)
        }
    }

    private static func format(_ media: MediaDescription, _ payloadType: UInt8, _ map: RTPMap) -> TrackFormat? {
        guard let codec = Codec(encodingName: map.encodingName), codec.clockRate == map.clockRate,
            media.media == (codec.kind == .video ? "video" : "audio")
        else { return nil }
        let parameters = media.parameters(for: payloadType).parameters.map {
            TrackFormat.Parameter(name: $0.name, value: $0.value ?? "")
        }
        return TrackFormat(codec: codec, channels: Int(map.channels ?? 1), parameters: parameters)
    }
}
