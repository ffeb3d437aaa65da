import Codecs
package import RTSP
package import SDP
package import Streams
import Wire

/// One media section of what a publisher or another server announced.
package struct RTSPAnnouncedMedia: Sendable, Hashable {
    /// nil when it is neither audio nor video: the section is set up, its packets go nowhere.
    package var format: TrackFormat?
    package var payloadType: UInt8
    package var clockRate: UInt32
    /// As the section names itself; empty when it does not.
    package var control: String
    /// Whether the section says that its author only sends; in a server's description that is what it would hear.
    package var isSendOnly = false
    /// What its packets are encrypted with, when the description says so.
    package var keys: RTSPMediaKeys?
}

/// What a description says of a server's stream.
package struct RTSPAnnouncedSession: Sendable, Hashable {
    package var media: [RTSPAnnouncedMedia]
    /// The URL by which all of it is controlled; empty when it says none.
    package var control: String
}

/// Reads descriptions as encoders and cameras write them.
package enum RTSPDescriptionReader {
    package static func read(_ text: [UInt8]) throws(SDPError) -> [RTSPAnnouncedMedia] { try session(text).media }

    package static func session(_ text: [UInt8]) throws(SDPError) -> RTSPAnnouncedSession {
        let session = try SessionDescription(parsing: RTSPDescriptionRepair.repaired(text))
        let control = session.otherAttributes.last { $0.name == "control" }?.value ?? ""
        return RTSPAnnouncedSession(media: media(of: session), control: control)
    }

    private static func media(of session: SessionDescription) -> [RTSPAnnouncedMedia] {
        session.media.map { media in
            let control = media.otherAttributes.last { $0.name == "control" }?.value ?? ""
            // Some list types that they do not describe, or describe one that they do not list.
            let listed = media.payloadTypes.isEmpty ? media.rtpMaps.map(\.payloadType) : media.payloadTypes
            let payloadType = listed.first { media.rtpMap(for: $0) != nil } ?? listed.first ?? 127
            let map = media.rtpMap(for: payloadType)
            return RTSPAnnouncedMedia(
                format: map.flatMap { format(media, payloadType, $0) }, payloadType: payloadType,
                clockRate: map?.clockRate ?? 90_000, control: control,
                isSendOnly: (media.direction ?? session.direction) == .sendonly,
                keys: keys(media.otherAttributes) ?? keys(session.otherAttributes))
        }
    }

    private static func keys(_ attributes: [Attribute]) -> RTSPMediaKeys? {
        attributes.lazy.filter { $0.name == "key-mgmt" }
            .compactMap { $0.value.flatMap { RTSPKeyManagement.keys(inAttribute: $0) } }.first
    }

    private static func format(_ media: MediaDescription, _ payloadType: UInt8, _ map: RTPMap) -> TrackFormat? {
        let kind: MediaKind
        switch media.media {
        case "video": kind = .video
        case "audio": kind = .audio
        default: return nil
        }
        let parameters = media.parameters(for: payloadType).parameters.map {
            TrackFormat.Parameter(name: $0.name, value: $0.value ?? "")
        }
        let channels = Int(map.channels ?? 1)
        if let codec = Codec(encodingName: map.encodingName), codec.clockRate == map.clockRate, codec.kind == kind,
            codec.isKnownToBrowsers(withChannels: channels)
        {
            return TrackFormat(codec: codec, channels: channels, parameters: parameters)
        }
        return TrackFormat(
            codec: kind == .video ? .otherVideo : .otherAudio, channels: channels, parameters: parameters,
            encodingName: map.encodingName, clockRate: map.clockRate)
    }
}

extension Codec {
    /// Browsers know the codecs of telephony with one channel only (RFC 7874, section 3); with more they are sound like any
    /// other that has to be converted (PAY-46).
    fileprivate func isKnownToBrowsers(withChannels channels: Int) -> Bool {
        switch self {
        case .pcmu, .pcma, .g722: channels == 1
        default: true
        }
    }
}
