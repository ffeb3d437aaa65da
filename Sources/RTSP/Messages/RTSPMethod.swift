/// The methods of RTSP 1.0 (RFC 2326, section 10). Names are case-sensitive.
public enum RTSPMethod: String, Hashable, Sendable, CaseIterable {
    case options = "OPTIONS"
    case describe = "DESCRIBE"
    case announce = "ANNOUNCE"
    case setup = "SETUP"
    case play = "PLAY"
    case pause = "PAUSE"
    case record = "RECORD"
    case teardown = "TEARDOWN"
    case getParameter = "GET_PARAMETER"
    case setParameter = "SET_PARAMETER"
    case redirect = "REDIRECT"
}
