public import Codecs
import Wire

/// AAC in LATM (RFC 6416 and the older RFC 3016): the frames of AudioMuxElements.
public struct LATMDepacketizer: Depacketizer {
    private let limits: DepacketizerLimits
    private let clockRate: UInt32
    private var reader: LATMReader
    /// The element that is not complete, and its timestamp.
    private var element: [UInt8] = []
    private var timestamp: UInt32?
    /// Nothing is known about what came before the next packet.
    private var hasLost = true
    /// Whether the sender marks the end of elements; one that never does sends an element in each packet.
    private var setsMarkers = false
    public private(set) var droppedUnits: UInt64 = 0

    /// - Parameters:
    ///   - configuration: of the description; nil when it has none.
    ///   - isInBand: `cpresent`, whose default is yes.
    public init(
        clockRate: UInt32, configuration: StreamMuxConfig?, isInBand: Bool, limits: DepacketizerLimits = .audio
    ) {
        self.limits = limits
        self.clockRate = clockRate
        reader = LATMReader(configuration: configuration, isInBand: isInBand)
    }

    /// As a description has it: `cpresent` and `config`.
    ///
    /// - Parameter value: looks a format parameter up by its name in lower case.
    public init(clockRate: UInt32, _ value: (String) -> String?) {
        let configuration = value("config").flatMap { hexadecimalBytes($0) }.flatMap { bytes in
            bytes.withBytes { try? StreamMuxConfig(parsing: $0) }
        }
        self.init(clockRate: clockRate, configuration: configuration, isInBand: value("cpresent") != "0")
    }

    public mutating func packetsLost() {
        drop()
        hasLost = true
    }

    private mutating func drop() {
        if !element.isEmpty { droppedUnits &+= 1 }
        element = []
        timestamp = nil
    }

    public mutating func receive(
        _ payload: RawSpan, timestamp: UInt32, marker: Bool, into units: inout [AccessUnit]
    ) throws(DepacketizationError) {
        if marker { setsMarkers = true }
        if let begun = self.timestamp, begun != timestamp {
            if setsMarkers { drop() } else { try finish(begun, into: &units) }
        }
        guard element.count + payload.byteCount <= limits.bytes else {
            drop()
            throw .tooLarge
        }
        self.timestamp = timestamp
        element.append(contentsOf: payload)
        guard marker else { return }
        // The first element after a loss may lack its beginning; what follows the next marker does not.
        let isWhole = !hasLost
        hasLost = false
        guard isWhole || isPlausible else { return drop() }
        try finish(timestamp, into: &units)
    }

    private var isPlausible: Bool {
        var reader = reader
        guard let frames = try? element.withBytes({ try reader.frames(in: $0) }) else { return false }
        return !frames.isEmpty
    }

    private mutating func finish(_ timestamp: UInt32, into units: inout [AccessUnit]) throws(DepacketizationError) {
        let bytes = element
        element = []
        self.timestamp = nil
        hasLost = false
        let frames: [[UInt8]]
        do throws(StreamMuxConfig.Failure) {
            frames = try bytes.withBytes { (bytes: RawSpan) throws(StreamMuxConfig.Failure) in
                try reader.frames(in: bytes)
            }
        } catch {
            droppedUnits &+= 1
            throw error == .truncated ? .truncated : .unsupported
        }
        let audio = reader.configuration?.audio
        let scale = ClockScale(from: audio?.extendedSampleRate ?? audio?.sampleRate ?? clockRate, to: clockRate)
        let samples = Int64(audio?.outputSamplesPerFrame ?? 1_024)
        for (index, frame) in frames.enumerated() where !frame.isEmpty {
            var unit = AccessUnit(
                bytes: frame, parts: [0..<frame.count],
                timestamp: timestamp &+ UInt32(truncatingIfNeeded: scale.scaled(Int64(index) * samples)),
                isKeyframe: true)
            unit.configuration = reader.configuration?.audioBytes ?? []
            units.append(unit)
        }
    }
}
