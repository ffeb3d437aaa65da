/// Audio or video.
@frozen public enum MediaKind: UInt8, Hashable, Sendable { case audio, video }

/// One participant's session in any protocol; unique for the life of the process, never reused.
public struct PeerID: Hashable, Sendable, CustomStringConvertible {
    public var value: UInt64
    public init(_ value: UInt64) { self.value = value }
    public var description: String { "peer-\(value)" }
}

/// A slot of a room (its video, its audio) that outlives publishers; unique for the life of the process.
public struct TrackID: Hashable, Sendable, CustomStringConvertible {
    public var value: UInt64
    public init(_ value: UInt64) { self.value = value }
    public var description: String { "track-\(value)" }
}
