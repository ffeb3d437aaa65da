internal import FoundationEssentials
import HTTP
import Streams
import Wire

/// What a viewer asks of its video by the layer extension of WHEP: a JSON object whose members are all optional.
struct LayerSelection: Decodable, Hashable, Sendable {
    /// Which `m=` line: its index, or its mid.
    var mediaId: String?
    var rid: String?
    /// The older name of `rid`.
    var encodingId: String?
    var spatialLayerId: Int?
    var temporalLayerId: Int?
    var maxSpatialLayerId: Int?
    var maxTemporalLayerId: Int?
    var maxWidth: Int?
    var maxHeight: Int?

    private enum CodingKeys: String, CodingKey {
        case mediaId, rid, encodingId, spatialLayerId, temporalLayerId, maxSpatialLayerId, maxTemporalLayerId
        case maxWidth, maxHeight
    }

    /// Identifiers come as text or as numbers.
    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func text(_ key: CodingKeys) throws -> String? {
            if let number = try? values.decodeIfPresent(Int.self, forKey: key) { return String(number) }
            return try values.decodeIfPresent(String.self, forKey: key).flatMap { $0.isEmpty ? nil : $0 }
        }
        mediaId = try text(.mediaId)
        rid = try text(.rid)
        encodingId = try text(.encodingId)
        spatialLayerId = try values.decodeIfPresent(Int.self, forKey: .spatialLayerId)
        temporalLayerId = try values.decodeIfPresent(Int.self, forKey: .temporalLayerId)
        maxSpatialLayerId = try values.decodeIfPresent(Int.self, forKey: .maxSpatialLayerId)
        maxTemporalLayerId = try values.decodeIfPresent(Int.self, forKey: .maxTemporalLayerId)
        maxWidth = try values.decodeIfPresent(Int.self, forKey: .maxWidth)
        maxHeight = try values.decodeIfPresent(Int.self, forKey: .maxHeight)
    }

    init() {}

    /// No body asks for nothing, which is the automatic choice; nil for what is no such object.
    init?(_ body: [UInt8]) {
        guard !body.isEmpty else {
            self.init()
            return
        }
        guard let read = try? JSONDecoder().decode(LayerSelection.self, from: Data(body)) else { return nil }
        self = read
    }

    /// Why a selection cannot be followed.
    struct Refusal: Error, Hashable {
        var detail: String
    }

    /// The preference that the selection stands for, given what the publisher sends now.
    func preference(among layers: [LayerDescription]) throws(Refusal) -> LayerPreference {
        let numbers = [
            spatialLayerId, temporalLayerId, maxSpatialLayerId, maxTemporalLayerId, maxWidth, maxHeight,
        ]
        guard numbers.allSatisfy({ (0...65_535).contains($0 ?? 0) }) else {
            throw Refusal(detail: "layers and sizes are numbers from 0 to 65535")
        }
        var preference = LayerPreference()
        var choice = layers.filter(\.isActive)
        if let name = rid ?? encodingId {
            guard layers.contains(where: { $0.name == name }) else {
                throw Refusal(detail: "the publisher has no encoding of this name (rid)")
            }
            choice = choice.filter { $0.name == name }
            guard let encoding = choice.first?.encoding else {
                throw Refusal(detail: "the publisher does not send this encoding at the moment")
            }
            preference.encoding = encoding
        }
        if let spatialLayerId, !choice.contains(where: { $0.spatialLayer == spatialLayerId }) {
            throw Refusal(detail: "there is no such spatial layer (spatialLayerId)")
        }
        if let temporalLayerId, !choice.contains(where: { $0.temporalLayer == temporalLayerId }) {
            throw Refusal(detail: "there is no such temporal layer (temporalLayerId)")
        }
        preference.spatialLayer = Self.least(spatialLayerId, maxSpatialLayerId)
        preference.temporalLayer = Self.least(temporalLayerId, maxTemporalLayerId)
        preference.maximumWidth = maxWidth
        preference.maximumHeight = maxHeight
        return preference
    }

    private static func least(_ one: Int?, _ other: Int?) -> UInt8? {
        [one, other].compactMap { $0 }.min().map { UInt8(clamping: min($0, Int(LayerChoice.topmost))) }
    }
}

extension LayerDescription {
    /// What a viewer calls the encoding: the publisher's name for it, else its place in the publisher's order.
    var name: String { rid.isEmpty ? String(encoding) : rid }
}
