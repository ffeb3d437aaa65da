/// A status code with its phrase (RFC 2326, section 7.1.1).
public struct RTSPStatus: Hashable, Sendable {
    public var code: Int
    public var phrase: String

    public init(_ code: Int, _ phrase: String) {
        self.code = code
        self.phrase = phrase
    }

    public static let ok = RTSPStatus(200, "OK")
    public static let found = RTSPStatus(302, "Found")
    public static let badRequest = RTSPStatus(400, "Bad Request")
    public static let unauthorized = RTSPStatus(401, "Unauthorized")
    public static let forbidden = RTSPStatus(403, "Forbidden")
    public static let notFound = RTSPStatus(404, "Not Found")
    public static let requestTimeout = RTSPStatus(408, "Request Timeout")
    public static let bodyTooLarge = RTSPStatus(413, "Request Entity Too Large")
    public static let uriTooLong = RTSPStatus(414, "Request-URI Too Long")
    public static let unsupportedMediaType = RTSPStatus(415, "Unsupported Media Type")
    public static let parameterNotUnderstood = RTSPStatus(451, "Parameter Not Understood")
    public static let sessionNotFound = RTSPStatus(454, "Session Not Found")
    public static let methodNotValidInThisState = RTSPStatus(455, "Method Not Valid in This State")
    public static let aggregateOperationNotAllowed = RTSPStatus(459, "Aggregate Operation Not Allowed")
    public static let unsupportedTransport = RTSPStatus(461, "Unsupported Transport")
    public static let internalError = RTSPStatus(500, "Internal Server Error")
    public static let notImplemented = RTSPStatus(501, "Not Implemented")
    public static let serviceUnavailable = RTSPStatus(503, "Service Unavailable")
    public static let versionNotSupported = RTSPStatus(505, "RTSP Version Not Supported")
    public static let optionNotSupported = RTSPStatus(551, "Option not supported")

    public var isSuccess: Bool { (200..<300).contains(code) }
    public var isRedirection: Bool { (300..<400).contains(code) }
}
