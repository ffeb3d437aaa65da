import Codecs
public import SDP
import Wire

/// An offer whose structure holds together: what RFC 9143, RFC 8285 and RFC 8839 demand of any offer is checked here,
/// before the question which of it to accept.
public struct WebRTCOffer: Hashable, Sendable {
    public let description: SessionDescription
    public let sections: [OfferedSection]
    /// BUNDLE groups; mids that no section has are left out.
    public let bundles: [[String]]

    public init(_ description: SessionDescription) throws(NegotiationError) {
        guard !description.isICELite else {
            throw .unacceptable("the offer says a=ice-lite, as this server does: one side has to be a full ICE agent")
        }
        guard !description.media.isEmpty else { throw .malformed("the offer has no media section") }
        let mids = description.media.enumerated().map { $1.mid ?? String($0) }
        let named = description.media.compactMap(\.mid)
        guard Set(named).count == named.count else { throw .malformed("two media sections have the same a=mid") }

        let groups = description.groups.filter { $0.semantics == "BUNDLE" }.map(\.mids)
        let bundled = groups.flatMap { Array(Set($0)) }
        guard Set(bundled).count == bundled.count else {
            throw .malformed("two BUNDLE groups name the same media section")
        }
        bundles = groups.map { group in group.filter { named.contains($0) } }

        var sections: [OfferedSection] = []
        for (index, media) in description.media.enumerated() {
            let bundle = media.mid.flatMap { mid in groups.firstIndex { $0.contains(mid) } }
            let kind: MediaKind? =
                switch media.media.lowercased() {
                case "audio" where media.isRTP: .audio
                case "video" where media.isRTP: .video
                default: nil
                }
            let section = OfferedSection(
                index: index, mid: mids[index], kind: kind,
                direction: media.direction ?? description.direction ?? .sendrecv,
                isOffered: media.port != 0 || media.isBundleOnly && bundle != nil, bundle: bundle,
                codecs: kind == nil ? [] : OfferedCodec.all(in: media).filter { $0.codec.kind == kind },
                extensions: Self.extensions(of: media, in: description),
                extmapAllowMixed: media.extmapAllowMixed || description.extmapAllowMixed, description: media)
            sections.append(section)
        }
        self.description = description
        self.sections = sections
        try checkExtensionIDs()
    }

    /// Mappings of the section and the session, the first of an id or URI only, without ids that RFC 8285 reserves.
    private static func extensions(
        of media: MediaDescription, in session: SessionDescription
    ) -> [ExtensionMapping] {
        let mixed = media.extmapAllowMixed || session.extmapAllowMixed
        var kept: [ExtensionMapping] = []
        for mapping in media.extensionMappings + session.extensionMappings {
            // Above 14 only the two-byte form can carry an id; 15 is reserved, and 4096 to 4351 stand for none.
            guard (1...14).contains(mapping.id) || mixed && (16...255).contains(mapping.id) else { continue }
            guard !kept.contains(where: { $0.id == mapping.id || $0.uri == mapping.uri }) else { continue }
            kept.append(mapping)
        }
        return kept
    }

    /// In a bundle one id means one extension (RFC 9143, section 7.2).
    private func checkExtensionIDs() throws(NegotiationError) {
        for bundle in bundles.indices {
            var meanings: [UInt16: String] = [:]
            for section in sections where section.bundle == bundle && section.isOffered {
                for mapping in section.extensions {
                    if let earlier = meanings[mapping.id], earlier != mapping.uri {
                        throw .malformed("header extension id \(mapping.id) has two meanings in one BUNDLE group")
                    }
                    meanings[mapping.id] = mapping.uri
                }
            }
        }
    }
}
