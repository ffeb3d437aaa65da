import Synchronization

/// What joins the two connections of a client that comes through HTTP (RTSP-25).
///
/// The client's bytes wait here until the connection that answers takes them: it may be on another loop, or just moving
/// to one.
final class RTSPTunnel: Sendable {
    /// Beyond this the client is read no further until some of it has been taken.
    static let maximumWaitingBytes = 256 * 1_024

    private struct State {
        var waiting: [UInt8] = []
        var output: RTSPConnection?
        var input: RTSPConnection?
        var isInputPaused = false
    }

    let cookie: String
    /// The client's address: a stranger who learned the cookie gains nothing.
    let host: String
    private let state = Mutex(State())

    init(cookie: String, host: String) {
        self.cookie = cookie
        self.host = host
    }

    // MARK: the connection that answers

    /// The connection that answers is `connection` from now on.
    func setOutput(_ connection: RTSPConnection) { state.withLock { $0.output = connection } }

    /// What the client sent since the last call; nil when nothing did.
    func take() -> [UInt8]? {
        let (bytes, paused): ([UInt8]?, RTSPConnection?) = state.withLock { state in
            guard !state.waiting.isEmpty else { return (nil, nil) }
            defer { state.isInputPaused = false }
            let bytes = state.waiting
            state.waiting = []
            return (bytes, state.isInputPaused ? state.input : nil)
        }
        paused?.resumeTunnel()
        return bytes
    }

    /// The connection that answers is over: so is the other.
    func close() {
        let input = state.withLock { state in
            defer { state = State() }
            return state.input
        }
        input?.endTunnel()
    }

    // MARK: the connection that asks

    /// A client may send its requests over one POST after another; the latest counts.
    func setInput(_ connection: RTSPConnection) {
        let former = state.withLock { state in
            defer { state.input = connection }
            return state.input
        }
        former?.endTunnel()
    }

    /// - Returns: `false` when no more may come for now.
    func append(_ bytes: [UInt8]) -> Bool {
        let (output, mayGoOn): (RTSPConnection?, Bool) = state.withLock { state in
            state.waiting += bytes
            state.isInputPaused = state.waiting.count > Self.maximumWaitingBytes
            return (state.output, !state.isInputPaused)
        }
        output?.tunnelHasBytes()
        return mayGoOn
    }
}

/// The tunnels there are, by their cookies.
final class RTSPTunnels: Sendable {
    private let tunnels = Mutex<[String: RTSPTunnel]>([:])

    /// A new tunnel; nil when the cookie is in use.
    func open(cookie: String, host: String) -> RTSPTunnel? {
        tunnels.withLock { tunnels in
            guard tunnels[cookie] == nil else { return nil }
            let tunnel = RTSPTunnel(cookie: cookie, host: host)
            tunnels[cookie] = tunnel
            return tunnel
        }
    }

    /// The tunnel that a client at `host` opened with this cookie.
    func find(cookie: String, host: String) -> RTSPTunnel? {
        tunnels.withLock { $0[cookie] }.flatMap { $0.host == host ? $0 : nil }
    }

    func close(_ tunnel: RTSPTunnel) {
        tunnels.withLock { if $0[tunnel.cookie] === tunnel { $0[tunnel.cookie] = nil } }
        tunnel.close()
    }

    var count: Int { tunnels.withLock { $0.count } }
}
