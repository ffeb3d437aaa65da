import RTP
import Streams
import TestKit
import Wire

/// Packets of a publisher with several layers, as a bad network brings them: lost in runs, late, twice; with padding
/// between them, encoders that restart, layers that stop and publications that follow each other.
struct PropertyScene {
    /// One packet that arrives.
    struct Arrival {
        var publication: UInt32
        var layer: Int
        var packet: [UInt8]
        /// The number of the packet in its source, without wraps.
        var number: Int64
    }

    static let layers = 3
    static let framesPerSecond = 30

    private(set) var random: SplitMix64
    private(set) var publication: UInt32 = 0
    /// Pictures since the scene began; each is captured at a thirtieth of a second.
    private(set) var frame = 0
    private var cameras: [Camera] = []
    private var isActive: [Bool] = []
    private var nextSource: UInt32 = 1
    private var numbers: [SequenceUnwrapper] = []
    private var delayed: [(due: Int, arrival: Arrival)] = []
    private var clock = 0
    private var lossLeft = 0
    /// By source (the generation in the marks): when its first picture was captured.
    private(set) var firstFrames: [UInt32: Int] = [:]
    private(set) var layersOfSources: [UInt32: Int] = [:]

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
        startPublication()
    }

    mutating func happens(oneIn count: UInt64) -> Bool { random.next() % count == 0 }

    /// A new publication: other encoders, other numbers. What is still under way of the old one arrives all the same.
    mutating func startPublication() {
        publication += 1
        cameras = []
        numbers = []
        for layer in 0..<Self.layers {
            cameras.append(makeCamera(layer))
            numbers.append(SequenceUnwrapper())
        }
        isActive = Array(repeating: true, count: Self.layers)
    }

    private mutating func makeCamera(_ layer: Int) -> Camera {
        let source = nextSource
        nextSource += 1
        var camera = Camera(
            ssrc: 0x1000 + source, framesPerSecond: Self.framesPerSecond, generation: source,
            sequenceNumber: UInt16.random(in: 0...UInt16.max, using: &random),
            timestamp: UInt32.random(in: 0...UInt32.max, using: &random),
            pictureID: UInt16.random(in: 0...0x7FFF, using: &random))
        camera.largestPayload = 60
        camera.width = 160 << layer
        camera.height = 90 << layer
        firstFrames[source] = frame
        layersOfSources[source] = layer
        return camera
    }

    mutating func wantKeyframe(_ layer: Int) {
        if cameras.indices.contains(layer) { cameras[layer].wantsKeyframe = true }
    }

    /// Stops a layer or lets it go on; the lowest never stops.
    mutating func toggle() {
        let layer = 1 + Int(random.next() % UInt64(Self.layers - 1))
        isActive[layer].toggle()
        if isActive[layer] { restart(layer) }
    }

    /// The encoder of a layer comes back as another source.
    mutating func restart(_ layer: Int) {
        cameras[layer] = makeCamera(layer)
        numbers[layer] = SequenceUnwrapper()
    }

    /// The packets that arrive during the next picture, in the order they do.
    mutating func next() -> [Arrival] {
        var arrived: [Arrival] = []
        for layer in 0..<Self.layers where isActive[layer] {
            if happens(oneIn: 120) { cameras[layer].wantsKeyframe = true }
            cameras[layer].bitsPerSecond = Int.random(in: 10_000...60_000, using: &random)
            for packet in cameras[layer].next() {
                deliver(packet, layer, &arrived)
                if happens(oneIn: 25) { deliver(cameras[layer].padding(), layer, &arrived) }
            }
        }
        frame += 1
        return arrived
    }

    private mutating func deliver(_ packet: [UInt8], _ layer: Int, _ arrived: inout [Arrival]) {
        clock += 1
        let number = numbers[layer].unwrap(UInt16(packet[2]) << 8 | UInt16(packet[3]))
        let arrival = Arrival(publication: publication, layer: layer, packet: packet, number: number)
        if lossLeft == 0, happens(oneIn: 80) { lossLeft = Int.random(in: 1...20, using: &random) }
        if lossLeft > 0 {
            lossLeft -= 1
        } else if happens(oneIn: 14) {
            delayed.append((clock + Int.random(in: 1...60, using: &random), arrival))
        } else {
            arrived.append(arrival)
            if happens(oneIn: 10) { delayed.append((clock + Int.random(in: 1...40, using: &random), arrival)) }
        }
        guard delayed.contains(where: { $0.due <= clock }) else { return }
        arrived += delayed.filter { $0.due <= clock }.map(\.arrival)
        delayed.removeAll { $0.due <= clock }
    }
}
