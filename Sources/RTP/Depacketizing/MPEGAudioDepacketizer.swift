import Codecs
import Wire

/// MPEG-1 and MPEG-2 audio, MP3 among it (RFC 2250, section 3.5): whole frames, or one frame in fragments.
public struct MPEGAudioDepacketizer: Depacketizer {
    private static let headerSize = 4

    private let clockRate: UInt32
    private let limits: DepacketizerLimits
    private var fragment: [UInt8] = []
    private var wanted = 0
    private var timestamp: UInt32 = 0
    public private(set) var droppedUnits: UInt64 = 0

    public init(clockRate: UInt32 = 90_000, limits: DepacketizerLimits = .audio) {
        self.clockRate = clockRate
        self.limits = limits
    }

    public mutating func packetsLost() { drop() }

    private mutating func drop() {
        if !fragment.isEmpty { droppedUnits &+= 1 }
        fragment = []
    }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        do throws(DepacketizationError) {
            try take(payload, timestamp, into: &units)
        } catch {
            drop()
            throw error
        }
    }

    private mutating func take(
        _ payload: RawSpan, _ first: UInt32, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        guard let fragmentOffset = payload.integer(at: 2, as: UInt16.self) else { throw .truncated }
        var offset = Self.headerSize
        if fragmentOffset > 0 || !fragment.isEmpty {
            guard fragment.count == Int(fragmentOffset), fragmentOffset > 0, timestamp == first else {
                if fragmentOffset > 0 { throw .orphanedFragment }
                drop()
                return try take(payload, first, into: &units)
            }
            fragment.append(contentsOf: payload.extracting(offset..<payload.byteCount))
            guard fragment.count <= wanted else { throw .malformed }
            guard fragment.count == wanted else { return }
            units.append(
                AccessUnit(bytes: fragment, parts: [0..<fragment.count], timestamp: timestamp, isKeyframe: true))
            fragment = []
            return
        }
        var samples: Int64 = 0
        while offset < payload.byteCount {
            guard let header = MPEGAudioHeader(parsing: payload.extracting(offset..<payload.byteCount)),
                header.frameSize <= limits.bytes
            else { throw .malformed }
            let ticks = ClockScale(from: header.sampleRate, to: clockRate).scaled(samples)
            let timestamp = first &+ UInt32(truncatingIfNeeded: ticks)
            let end = offset + header.frameSize
            guard end <= payload.byteCount else {
                guard offset == Self.headerSize else { throw .truncated }
                fragment = payload.array(offset..<payload.byteCount)
                wanted = header.frameSize
                self.timestamp = first
                return
            }
            let bytes = payload.array(offset..<end)
            units.append(AccessUnit(bytes: bytes, parts: [0..<bytes.count], timestamp: timestamp, isKeyframe: true))
            samples += Int64(header.samplesPerFrame)
            offset = end
        }
    }
}
