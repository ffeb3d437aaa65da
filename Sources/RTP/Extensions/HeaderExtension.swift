/// A header extension that is understood, by its meaning; the numeric ids are negotiated per peer.
@frozen
public enum HeaderExtension: UInt8, Hashable, Sendable, CaseIterable {
    case mid
    case rid
    case repairedRid
    case transportWideCC
    case absSendTime
    case absCaptureTime
    case playoutDelay
    case audioLevel
    case transmissionOffset
    case videoOrientation
    case videoTiming
    case colorSpace
    case dependencyDescriptor
    case frameMarking
    case videoLayersAllocation

    /// The name used in `a=extmap`.
    public var uri: String {
        switch self {
        case .mid: "urn:ietf:params:rtp-hdrext:sdes:mid"
        case .rid: "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
        case .repairedRid: "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
        case .transportWideCC: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
        case .absSendTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
        case .absCaptureTime: "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
        case .playoutDelay: "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
        case .audioLevel: "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
        case .transmissionOffset: "urn:ietf:params:rtp-hdrext:toffset"
        case .videoOrientation: "urn:3gpp:video-orientation"
        case .videoTiming: "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"
        case .colorSpace: "http://www.webrtc.org/experiments/rtp-hdrext/color-space"
        case .dependencyDescriptor:
            "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
        case .frameMarking: "http://tools.ietf.org/html/draft-ietf-avtext-framemarking-07"
        case .videoLayersAllocation: "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"
        }
    }

    /// Finds an extension by its `a=extmap` name; nil for those that are not understood.
    public init?(uri: some StringProtocol) {
        if uri == "urn:ietf:params:rtp-hdrext:framemarking" {
            self = .frameMarking
            return
        }
        guard let match = Self.allCases.first(where: { $0.uri == uri }) else { return nil }
        self = match
    }

    /// Whether the extension speaks about one hop only, so that it is never forwarded: the server sets its own.
    public var isHopByHop: Bool {
        switch self {
        case .mid, .rid, .repairedRid, .transportWideCC, .absSendTime, .transmissionOffset, .videoLayersAllocation: true
        case .absCaptureTime, .playoutDelay, .audioLevel, .videoOrientation, .videoTiming, .colorSpace,
            .dependencyDescriptor, .frameMarking:
            false
        }
    }
}
