extension RTSPClientMachine {
    public struct Configuration: Sendable {
        public enum Purpose: Sendable {
            /// Has the server send what it describes.
            case read
            /// Sends the server what this description announces, whose tracks have these controls.
            case publish(description: [UInt8], controls: [String])
        }

        /// With user and password, which never appear in a request line.
        public var url: RTSPURL
        public var purpose = Purpose.read
        public var delivery = RTSPDelivery.tcp
        /// For delivery by UDP to a server that is announced to; of a reader ``RTSPClientMachine/choose(_:clientPorts:at:)``
        /// tells.
        public var clientPorts: [RTSPPortPair] = []
        public var userAgent = "Martlet"
        /// Insists that the description has the server's back channel (ONVIF Streaming, section 5.3). A server that refuses
        /// is asked again without; ``RTSPClientMachine/mayFailOfBackChannel`` tells of those that do worse.
        public var requiresBackChannel = false
        /// How long an answer may take.
        public var responseTimeoutSeconds: UInt64 = 10
        /// How long the server may take to send anything after it agreed to.
        public var firstMediaTimeoutSeconds: UInt64 = 10
        /// How long playing may bring nothing (RTSP-51).
        public var mediaTimeoutSeconds: UInt64 = 10

        public init(url: RTSPURL) { self.url = url }
    }

    public enum Failure: Error, Hashable, Sendable {
        /// The server's status for this method.
        case refused(RTSPMethod, RTSPStatus)
        /// Wrong user or password, or none where some are asked for.
        case unauthorized
        /// The server cannot send the way that was asked for; another may do.
        case transportRefused
        /// What came is not RTSP, or lacks what is needed.
        case malformed(String)
        case noAnswer(RTSPMethod)
        /// The server agreed to play and never sent anything: the way it was to come may be blocked.
        case noFirstMedia
        /// Media stopped coming.
        case noMedia

        /// Whether the server does not know yet that it is over.
        var leavesSession: Bool {
            switch self {
            case .noFirstMedia, .noMedia, .transportRefused, .refused, .unauthorized, .malformed: true
            case .noAnswer: false
            }
        }

        /// Whether the same stream may come another way (RTSP-40).
        public var isOfTransport: Bool {
            switch self {
            case .transportRefused, .noFirstMedia, .refused(.setup, _): true
            case .refused, .unauthorized, .malformed, .noAnswer, .noMedia: false
            }
        }
    }

    public enum Event: Sendable {
        case send([UInt8])
        /// Answer with ``RTSPClientMachine/choose(_:clientPorts:at:)``.
        case described([UInt8])
        /// All tracks are set up; the request to begin follows. The moment to open the way for datagrams (RTSP-41).
        case ready([RTSPTransport])
        /// Media flows from here on, as these transports say, in the order of the choice.
        case playing([RTSPTransport])
        /// A frame of the track at this place in the choice.
        case frame(track: Int, isControl: Bool, Range<Int>)
        case redirected(RTSPURL)
        case failed(Failure)
        /// The server has answered TEARDOWN.
        case ended
    }
}
