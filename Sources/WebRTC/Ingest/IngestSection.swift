import Codecs
public import RTP
public import SDP
public import Wire

/// One accepted media section of a publisher, as far as receiving needs it.
public struct IngestSection: Sendable {
    public var kind: MediaKind
    public var clockRate: UInt32
    public var routing: StreamRouter.Section
    public var extensions: HeaderExtensionMap
    public var feedback: FeedbackMessages
    public var reducedSizeRTCP: Bool
    /// The codec payload type by the one of its retransmissions.
    public var retransmissions: [Retransmission]

    public struct Retransmission: Hashable, Sendable {
        public var payloadType: UInt8
        /// Of the packets that are sent again.
        public var original: UInt8
    }

    /// Simulcast encodings, or 1.
    public var layerCount: Int { max(1, routing.rids.count) }

    /// nil for sections over which nothing comes.
    public init?(_ section: NegotiatedSection) {
        guard section.direction.receives, let codec = section.codec else { return nil }
        kind = section.kind
        clockRate = codec.clockRate
        extensions = HeaderExtensionMap(section.extensions)
        feedback = section.feedback
        reducedSizeRTCP = section.reducedSizeRTCP
        retransmissions = section.codecs.compactMap { codec in
            codec.retransmissionPayloadType.map { Retransmission(payloadType: $0, original: codec.payloadType) }
        }
        // Layers that are only told apart by their SSRCs get names nobody sends.
        let legacy = section.legacySimulcastSSRCs
        let ssrcs = legacy.isEmpty ? section.remoteSSRCs : legacy
        // SSRC 0 stands for none; it is never routed.
        let repairs = ssrcs.map { section.remoteRetransmissionSSRCs[$0] ?? 0 }
        routing = StreamRouter.Section(
            mid: Array(section.mid.utf8), payloadTypes: PayloadTypeSet(section.codecs.map(\.payloadType)),
            repairPayloadTypes: PayloadTypeSet(retransmissions.map(\.payloadType)),
            rids: legacy.isEmpty
                ? section.simulcastLayers.map { Array($0.rid.utf8) } : legacy.map { Array(String($0).utf8) },
            ssrcs: ssrcs, repairSSRCs: repairs)
    }
}

extension HeaderExtensionMap {
    /// The extensions of a negotiated section that are understood.
    public init(_ mappings: [ExtensionMapping]) {
        self.init()
        for mapping in mappings {
            guard let kind = HeaderExtension(uri: mapping.uri), let id = UInt8(exactly: mapping.id) else { continue }
            self[kind] = id
        }
    }

    /// Adds what `other` has and this map has not.
    mutating func merge(_ other: HeaderExtensionMap) {
        for kind in HeaderExtension.allCases where self[kind] == nil {
            if let id = other[kind] { self[kind] = id }
        }
    }
}
