/// What one connection may cost: sizes in bytes, times in milliseconds.
public struct HTTPLimits: Sendable, Hashable {
    /// Longest request target; a longer one is answered 414.
    public var targetBytes = 8 * 1024
    /// All header fields of a request together; more are answered 431.
    public var headerBytes = 16 * 1024
    /// Header fields of a request; more are answered 431.
    public var headerFields = 100
    /// One chunk-size line with its extensions, which are ignored.
    public var chunkLineBytes = 256
    /// Trailer fields of a chunked body, which are checked and ignored.
    public var trailerBytes = 4 * 1024
    /// Bytes read ahead while a request is being answered; then reading pauses.
    public var pipelinedBytes = 64 * 1024
    /// Bytes thrown away after an early refusal, so that the client gets to read it.
    public var lingerBytes = 4 * 1024 * 1024

    /// From the first byte of a request, or from accepting the connection, to the end of the header fields.
    public var headMilliseconds: UInt64 = 10_000
    /// From the end of the header fields to the end of the body.
    public var bodyMilliseconds: UInt64 = 10_000
    /// From the end of a response to the first byte of the next request.
    public var idleMilliseconds: UInt64 = 60_000
    /// Without the socket taking a byte of queued output.
    public var writeStallMilliseconds: UInt64 = 30_000
    /// How long to throw away input after an early refusal.
    public var lingerMilliseconds: UInt64 = 2_000

    public init() {}
}
