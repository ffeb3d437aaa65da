import Codecs
import Wire

/// AAC in the generic payload format (RFC 3640), modes AAC-hbr and AAC-lbr and what else differs from them in sizes of
/// fields only.
///
/// Interleaved access units are refused.
public struct AACDepacketizer: Depacketizer {
    /// The format parameters that say how the payload is laid out (RFC 3640, section 4.1).
    public struct Layout: Hashable, Sendable {
        public var sizeLength = 13
        public var indexLength = 3
        public var indexDeltaLength = 3
        public var auxiliarySizeLength = 0
        /// Bytes of each access unit where the headers do not tell; 0 where they do.
        public var constantSize = 0
        /// What an access unit lasts, in samples of `scale`'s first clock; its second is the RTP clock.
        private var samplesPerUnit: Int64 = 1_024
        private var scale = ClockScale(from: 1, to: 1)

        /// Ticks of the RTP clock from the first of several access units to the one behind the last.
        public func ticks(ofUnits count: Int) -> UInt32 {
            UInt32(truncatingIfNeeded: scale.scaled(Int64(count) &* samplesPerUnit))
        }

        public init() {}

        /// - Parameter value: looks a format parameter up by its name in lower case.
        /// - Returns: nil for layouts with fields that are not read: decoding times, random access flags, stream states.
        public init?(clockRate: UInt32, _ value: (String) -> String?) {
            func number(_ name: String) -> Int? { value(name).map { Int($0) ?? -1 } }
            sizeLength = number("sizelength") ?? 0
            indexLength = number("indexlength") ?? 0
            indexDeltaLength = number("indexdeltalength") ?? 0
            auxiliarySizeLength = number("auxiliarydatasizelength") ?? 0
            constantSize = number("constantsize") ?? 0
            let fields = [sizeLength, indexLength, indexDeltaLength, auxiliarySizeLength]
            guard fields.allSatisfy({ (0...32).contains($0) }), (0...65_535).contains(constantSize),
                sizeLength > 0 || constantSize > 0
            else { return nil }
            for name in ["ctsdeltalength", "dtsdeltalength", "randomaccessindication", "streamstateindication"] {
                if let length = number(name), length != 0 { return nil }
            }
            if let duration = value("constantduration").flatMap({ UInt32($0) }), duration > 0 {
                samplesPerUnit = Int64(duration)
            } else if let configuration = value("config").flatMap(Self.configuration(hexadecimal:)) {
                samplesPerUnit = Int64(configuration.outputSamplesPerFrame)
                scale = ClockScale(from: configuration.extendedSampleRate ?? configuration.sampleRate, to: clockRate)
            }
        }

        /// The fields of the mode AAC-hbr (section 3.3.6), with nothing beside them.
        public var isHighBitrate: Bool {
            sizeLength == 13 && indexLength == 3 && indexDeltaLength == 3 && auxiliarySizeLength == 0
        }

        static func configuration(hexadecimal text: String) -> AudioSpecificConfig? {
            guard let bytes = hexadecimalBytes(text) else { return nil }
            return bytes.withBytes { try? AudioSpecificConfig(parsing: $0) }
        }
    }

    private static let maximumUnits = 64

    private let layout: Layout
    private let limits: DepacketizerLimits
    /// The access unit that goes on in the next packet, and how large it is to become.
    private var fragment: AccessUnit?
    private var wanted = 0
    public private(set) var droppedUnits: UInt64 = 0

    public init(_ layout: Layout, limits: DepacketizerLimits = .audio) {
        self.layout = layout
        self.limits = limits
    }

    public mutating func packetsLost() { dropFragment() }

    private mutating func dropFragment() {
        guard fragment != nil else { return }
        fragment = nil
        droppedUnits &+= 1
    }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        do throws(DepacketizationError) {
            try take(payload, timestamp: timestamp, into: &units)
        } catch {
            dropFragment()
            throw error
        }
    }

    private mutating func take(
        _ payload: RawSpan, timestamp: UInt32, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        var sizes: [Int] = []
        var offset = try readHeaders(payload, &sizes)
        if fragment != nil {
            guard fragment?.timestamp == timestamp, sizes.count == 1, sizes[0] == wanted else {
                dropFragment()
                return try take(payload, timestamp: timestamp, into: &units)
            }
            return try goOn(payload.extracting(offset..<payload.byteCount), into: &units)
        }
        if layout.sizeLength == 0 {
            let count = (payload.byteCount - offset) / layout.constantSize
            sizes = Array(repeating: layout.constantSize, count: min(count, Self.maximumUnits))
        }
        for (index, size) in sizes.enumerated() {
            let timestamp = timestamp &+ layout.ticks(ofUnits: index)
            let rest = payload.byteCount - offset
            guard size <= rest else {
                guard sizes.count == 1, size <= limits.bytes else { throw .truncated }
                fragment = AccessUnit(
                    bytes: payload.array(offset..<payload.byteCount), parts: [], timestamp: timestamp, isKeyframe: true)
                wanted = size
                return
            }
            give(payload.array(offset..<offset + size), timestamp, into: &units)
            offset += size
        }
    }

    private mutating func goOn(_ bytes: RawSpan, into units: inout [AccessUnit]) throws(DepacketizationError) {
        guard var unit = fragment else { return }
        guard unit.bytes.count + bytes.byteCount <= wanted else { throw .malformed }
        unit.bytes.append(contentsOf: bytes)
        fragment = unit
        guard unit.bytes.count == wanted else { return }
        fragment = nil
        give(unit.bytes, unit.timestamp, into: &units)
    }

    private func give(_ bytes: [UInt8], _ timestamp: UInt32, into units: inout [AccessUnit]) {
        guard !bytes.isEmpty else { return }
        units.append(AccessUnit(bytes: bytes, parts: [0..<bytes.count], timestamp: timestamp, isKeyframe: true))
    }

    /// Reads the access units' headers and passes over the auxiliary section.
    ///
    /// - Returns: where the access units begin.
    private func readHeaders(_ payload: RawSpan, _ sizes: inout [Int]) throws(DepacketizationError) -> Int {
        var offset = 0
        if layout.sizeLength + layout.indexLength + layout.indexDeltaLength > 0 {
            guard let length = payload.integer(at: 0, as: UInt16.self) else { throw .truncated }
            let bitCount = Int(length)
            offset = 2 + (bitCount + 7) / 8
            guard offset <= payload.byteCount else { throw .truncated }
            var bits = PayloadBits(offset: 16, end: 16 + bitCount)
            while bits.remaining > 0 {
                let indexSize = sizes.isEmpty ? layout.indexLength : layout.indexDeltaLength
                // Less than a header is padding.
                guard bits.remaining >= layout.sizeLength + indexSize, layout.sizeLength + indexSize > 0 else { break }
                guard sizes.count < Self.maximumUnits else { throw .tooLarge }
                sizes.append(Int(bits.read(layout.sizeLength, payload)))
                guard bits.read(indexSize, payload) == 0 else { throw .unsupported }
            }
            guard !sizes.isEmpty else { throw .malformed }
        }
        if layout.auxiliarySizeLength > 0 {
            var bits = PayloadBits(offset: offset * 8, end: payload.byteCount * 8)
            guard bits.remaining >= layout.auxiliarySizeLength else { throw .truncated }
            let size = Int(bits.read(layout.auxiliarySizeLength, payload))
            offset += (layout.auxiliarySizeLength + size + 7) / 8
            guard offset <= payload.byteCount else { throw .truncated }
        }
        return offset
    }
}

/// Reads fields of whole bits out of a payload whose length has been checked.
struct PayloadBits {
    private var offset: Int
    private let end: Int

    init(offset: Int, end: Int) {
        self.offset = offset
        self.end = end
    }

    var remaining: Int { end - offset }

    mutating func read(_ count: Int, _ bytes: RawSpan) -> UInt64 {
        var value: UInt64 = 0
        for _ in 0..<count {
            let byte = bytes.integer(at: offset >> 3, as: UInt8.self) ?? 0
            value = value << 1 | UInt64(byte >> UInt8(7 - offset & 7) & 1)
            offset += 1
        }
        return value
    }
}

/// The bytes of a `config` parameter; nil when the text is not hexadecimal.
func hexadecimalBytes(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard !digits.isEmpty, digits.count <= 2_048 else { return nil }
    var bytes: [UInt8] = []
    var index = 0
    while index < digits.count {
        guard let high = nibble(digits[index]) else { return nil }
        // An odd digit at the end is the high one, as some senders cut trailing zeros off.
        let low = index + 1 < digits.count ? nibble(digits[index + 1]) : 0
        guard let low else { return nil }
        bytes.append(high << 4 | low)
        index += 2
    }
    return bytes
}

private func nibble(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
}
