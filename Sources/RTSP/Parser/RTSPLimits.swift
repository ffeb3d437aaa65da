/// How much one message may hold (RTSP-3). What goes beyond ends the connection.
public struct RTSPLimits: Hashable, Sendable {
    public var maximumFirstLineBytes = 2_048
    public var maximumHeaders = 255
    /// First line and header fields together.
    public var maximumHeadBytes = 32 * 1_024
    public var maximumBodyBytes = 128 * 1_024

    public init() {}
}

/// Why bytes could not be read as RTSP. The connection cannot go on after it.
public struct RTSPSyntaxError: Error, Hashable, Sendable {
    public var status: RTSPStatus
    /// What is wrong, in words; repeats nothing of the input.
    public var problem: String
    /// The number of the request, when it was read before the fault.
    public var sequenceNumber: String?

    init(_ status: RTSPStatus, _ problem: String, sequenceNumber: String? = nil) {
        self.status = status
        self.problem = problem
        self.sequenceNumber = sequenceNumber
    }
}
