import Codecs
import Wire

/// AC-3 (RFC 4184) and E-AC-3 (RFC 4598): whole frames, or one frame in fragments.
///
/// A frame of E-AC-3 is given out with its dependent substreams.
public struct AC3Depacketizer: Depacketizer {
    private static let headerSize = 2

    private let clockRate: UInt32
    private let limits: DepacketizerLimits
    private let isEnhanced: Bool
    private var fragment: [UInt8] = []
    private var isBegun = false
    private var timestamp: UInt32 = 0
    public private(set) var droppedUnits: UInt64 = 0

    public init(clockRate: UInt32, isEnhanced: Bool, limits: DepacketizerLimits = .audio) {
        self.clockRate = clockRate
        self.isEnhanced = isEnhanced
        self.limits = limits
    }

    public mutating func packetsLost() { drop() }

    private mutating func drop() {
        if isBegun { droppedUnits &+= 1 }
        isBegun = false
        fragment = []
    }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        do throws(DepacketizationError) {
            guard payload.byteCount > Self.headerSize else { throw .truncated }
            let body = payload.extracting(Self.headerSize..<payload.byteCount)
            let isWhole = payload[0] & (isEnhanced ? 1 : 3) == 0
            if isWhole {
                drop()
                try give(body.array, timestamp, into: &units)
            } else {
                try takeFragment(body, timestamp, first: payload[0], isLast: marker, into: &units)
            }
        } catch {
            drop()
            throw error
        }
    }

    private mutating func takeFragment(
        _ body: RawSpan, _ timestamp: UInt32, first: UInt8, isLast: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        // In E-AC-3 only the sync word tells the first fragment.
        let isFirst = isEnhanced ? AC3Header(parsing: body) != nil && !isBegun : first & 3 != 3
        if isFirst {
            drop()
            isBegun = true
            self.timestamp = timestamp
        }
        guard isBegun, self.timestamp == timestamp else { throw .orphanedFragment }
        guard fragment.count + body.byteCount <= limits.bytes else { throw .tooLarge }
        fragment.append(contentsOf: body)
        guard isLast else { return }
        let bytes = fragment
        isBegun = false
        fragment = []
        try give(bytes, timestamp, into: &units)
    }

    private mutating func give(
        _ bytes: [UInt8], _ first: UInt32, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        var offset = 0
        var samples: Int64 = 0
        var found: [AccessUnit] = []
        while offset < bytes.count {
            let header = bytes.withBytes { AC3Header(parsing: $0.extracting(offset..<bytes.count)) }
            guard let header, header.isEnhanced == isEnhanced || !header.isEnhanced else { throw .malformed }
            let end = offset + header.frameSize
            guard end <= bytes.count else { throw .truncated }
            if header.isDependent, let last = found.indices.last {
                found[last].bytes += bytes[offset..<end]
                found[last].parts = [0..<found[last].bytes.count]
            } else {
                let ticks = ClockScale(from: header.sampleRate, to: clockRate).scaled(samples)
                found.append(
                    AccessUnit(
                        bytes: Array(bytes[offset..<end]), parts: [0..<header.frameSize],
                        timestamp: first &+ UInt32(truncatingIfNeeded: ticks), isKeyframe: true))
                samples += Int64(header.samplesPerFrame)
            }
            guard found.count <= limits.parts else { throw .tooLarge }
            offset = end
        }
        units += found
    }
}
