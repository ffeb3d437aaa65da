import Codecs
import RTP
import SDP
import Secure
import Streams
import WebRTC
import Wire

// What negotiation found out, in the words of the layers that move media.

extension TrackFormat {
    init(_ codec: NegotiatedCodec) {
        self.init(
            codec: codec.codec, channels: Int(codec.channels ?? 1),
            parameters: codec.remoteParameters.parameters.map {
                TrackFormat.Parameter(name: $0.name, value: $0.value ?? "")
            })
    }
}

extension AvailableTrack {
    init(_ format: TrackFormat) {
        var parameters = FormatParameters()
        for parameter in format.parameters { parameters[parameter.name] = parameter.value }
        self.init(codec: format.codec, parameters: parameters)
    }
}

extension PublicationLane {
    /// nil for sections that bring no media.
    init?(_ section: NegotiatedSection) {
        guard section.direction.receives, let codec = section.codec else { return nil }
        self.init(
            format: TrackFormat(codec), extensions: HeaderExtensionMap(section.extensions),
            layerCount: max(section.simulcastLayers.count, section.legacySimulcastSSRCs.count, 1),
            encodingNames: section.simulcastLayers.map(\.rid), parameterSets: section.parameterSets,
            answersKeyframeRequests: !section.feedback.isDisjoint(with: [.nackPLI, .ccmFIR]))
    }
}

extension DownTrackFormat {
    /// nil for sections over which nothing is sent.
    init?(_ section: NegotiatedSection, track: TrackFormat, draft: SessionDraft, room: RoomSettings) {
        guard section.direction.sends, let codec = section.codec, let ssrc = section.localSSRC else { return nil }
        self.init(
            track: track, payloadType: codec.payloadType, ssrc: ssrc,
            extensions: HeaderExtensionMap(section.extensions), mid: Array(section.mid.utf8),
            firstSequenceNumber: UInt16(truncatingIfNeeded: SecureRandom.uint32()),
            firstTimestamp: SecureRandom.uint32(), canonicalName: draft.canonicalName)
        removesFiller = true
        if case .between(let delay) = room.playoutDelay { playoutDelay = delay }
        repairDelayMilliseconds = Int(clamping: room.lossPlayoutDelay.wholeNanoseconds / 1_000_000)
        guard section.feedback.contains(.nack) else { return }
        if let repair = codec.retransmissionPayloadType, let ssrc = section.localRetransmissionSSRC {
            self.repair = .ownStream(
                payloadType: repair, ssrc: ssrc,
                firstSequenceNumber: UInt16(truncatingIfNeeded: SecureRandom.uint32()) & 0x7FFF)
        } else {
            repair = .sameStream
        }
    }
}

extension DownTrackFormat {
    /// What retransmissions are sent with; nil when they go out on the stream itself.
    var repairSSRC: UInt32? {
        guard case .ownStream(_, let ssrc, _) = repair else { return nil }
        return ssrc
    }
}

extension CongestionController.Configuration {
    /// For a viewer that gets these streams. Padding needs a stream for retransmissions whose packets are numbered.
    init(_ formats: [DownTrackFormat]) {
        self.init()
        for format in formats where format.extensions[.transportWideCC] != nil {
            guard case .ownStream(let payloadType, let ssrc, let first) = format.repair else { continue }
            repairStream = RepairStream(
                ssrc: ssrc, payloadType: payloadType, firstSequenceNumber: first,
                extensions: HeaderExtensionForwarding(viewer: format.extensions, mid: format.mid))
        }
    }
}

extension CertificateFingerprint {
    /// nil for algorithms that are not relied on.
    init?(_ fingerprint: Fingerprint) {
        guard let algorithm = Algorithm(rawValue: fingerprint.algorithm) else { return nil }
        self.init(algorithm: algorithm, bytes: fingerprint.bytes)
    }
}

extension RoomPolicy {
    init(_ settings: RoomSettings) {
        self.init(
            publisherMayBeReplaced: settings.overridePublisher,
            maximumViewers: settings.maxReaders == 0 ? nil : settings.maxReaders,
            publisherAbsenceNanoseconds: UInt64(clamping: settings.publisherHoldTimeout.wholeNanoseconds),
            cachesKeyframes: settings.keyframeCache)
        recoveryPointPatienceNanoseconds =
            switch settings.recoveryPointStart {
            case .never: nil
            case .after(let time): UInt64(clamping: time.wholeNanoseconds)
            }
        standby.everyFurtherPublisherWaits = settings.backupPublishers == .always
        standby.maximumBackups = settings.maxBackupPublishers
        standby.silenceNanoseconds = UInt64(clamping: settings.backupSilenceTimeout.wholeNanoseconds)
        standby.returning =
            switch settings.backupReturn {
            case .never: .never
            case .immediately: .afterNanoseconds(0)
            case .after(let time): .afterNanoseconds(UInt64(clamping: time.wholeNanoseconds))
            }
        // Viewers outlast a source's silence: it is tried again for as long as they stay.
        if settings.source != .publisher {
            publisherAbsenceNanoseconds = max(publisherAbsenceNanoseconds, 120_000_000_000)
        }
    }
}
