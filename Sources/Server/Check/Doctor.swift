internal import HTTP
internal import Loop
internal import Secure
internal import Wire

/// Asks a server how it is: `martlet doctor URL`. One small request, over TLS when the URL says so.
public struct Doctor: Sendable {
    static let defaultPort: UInt16 = 8889
    static let maximumAnswerBytes = 1 << 20
    static let timeoutMilliseconds: UInt64 = 10_000
    /// The same for an address after which there are others to try.
    static let firstTimeoutMilliseconds: UInt64 = 3_000

    public enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
        case unusableURL(String)
        case unknownHost(String)
        case unreachable(String)
        case noAnswer
        case refused(status: Int)
        case notMartlet

        public var description: String {
            switch self {
            case .unusableURL(let text): "'\(text)' is no URL such as http://192.0.2.1:8889"
            case .unknownHost(let name): "there is no host called \(name)"
            case .unreachable(let reason): reason
            case .noAnswer: "the server does not answer"
            case .refused(let status): "the server answers with status \(status)"
            case .notMartlet: "what answers there is no Martlet, or an older one"
            }
        }
    }

    public struct Diagnosis: Hashable, Sendable {
        public var status: CheckStatus
        /// For people.
        public var text: String
    }

    let host: String
    let port: UInt16
    let isSecure: Bool

    /// - Parameter url: `http://host:port` or `https://host:port`, or without a scheme, or without a port.
    public init(_ url: String) throws(Fault) {
        var rest = Substring(url)
        isSecure = rest.hasPrefix("https://")
        let hasScheme = isSecure || rest.hasPrefix("http://")
        if hasScheme { rest = rest.dropFirst(isSecure ? 8 : 7) }
        rest = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        var port = isSecure ? 443 : hasScheme ? 80 : Self.defaultPort
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { throw .unusableURL(url) }
            host = String(rest[rest.index(after: rest.startIndex)..<end])
            rest = rest[rest.index(after: end)...]
        } else {
            host = String(rest.prefix { $0 != ":" })
            rest = rest.dropFirst(host.count)
        }
        if let number = rest.dropFirst().isEmpty ? nil : UInt16(rest.dropFirst()) { port = number }
        let isPort = rest.isEmpty || (rest.hasPrefix(":") && UInt16(rest.dropFirst()) != nil)
        let isHost = !host.isEmpty && host.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "@") }
        guard isPort, isHost else { throw .unusableURL(url) }
        self.port = port
    }

    /// Fetches `/check`.
    ///
    /// - Parameter token: the server's metricsToken, for all details from another machine.
    public func examine(token: String? = nil) async throws(Fault) -> Diagnosis {
        try await examine(at: await resolve(), token: token)
    }

    /// Asks at one address after the other, until one answers.
    func examine(
        at addresses: [SocketAddress], token: String? = nil,
        firstTimeoutMilliseconds: UInt64 = firstTimeoutMilliseconds
    ) async throws(Fault) -> Diagnosis {
        guard !addresses.isEmpty else { throw .unknownHost(host) }
        var fault = Fault.noAnswer
        for (index, address) in addresses.enumerated() {
            let isLast = index == addresses.count - 1
            do throws(Fault) {
                let (answer, problem) = try await fetch(
                    from: address, token,
                    timeoutMilliseconds: isLast ? Self.timeoutMilliseconds : firstTimeoutMilliseconds)
                let diagnosis = try Self.read(answer)
                guard let problem else { return diagnosis }
                return diagnosis.over(certificateProblem: problem, hadToken: token != nil)
            } catch {
                fault = error
                // One family may be black-holed on the way and the other not.
                switch error {
                case .unreachable, .noAnswer: continue
                case .unusableURL, .unknownHost, .refused, .notMartlet: throw error
                }
            }
        }
        throw fault
    }

    private func resolve() async -> [SocketAddress] {
        if let address = SocketAddress(host: host, port: port) { return [address] }
        let resolver = HostResolver()
        let found = await withCheckedContinuation { continuation in
            resolver.resolve(host) { continuation.resume(returning: $0) }
        }
        return found.map { $0.withPort(port) }
    }

    private func request(_ token: String?) -> [UInt8] {
        let name = host.contains(":") ? "[\(host)]" : host
        // A line break would end the field; a token holds none.
        let clean = token.map { $0.filter { !$0.isNewline } }
        let authorization = clean.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        return Array(
            "GET /check HTTP/1.1\r\nHost: \(name):\(port)\r\nAccept: text/plain\r\n\(authorization)Connection: close\r\n\r\n"
                .utf8)
    }

    /// The answer, and what is wrong with the certificate of whoever gave it: the token is not shown to it then.
    private func fetch(
        from address: SocketAddress, _ token: String?, timeoutMilliseconds: UInt64
    ) async throws(Fault) -> (answer: [UInt8], certificateProblem: String?) {
        let loop: EventLoop
        do throws(LoopError) {
            loop = try EventLoop(name: "doctor")
            try loop.start()
        } catch {
            throw .unreachable(error.description)
        }
        defer { loop.stop() }
        let exchange = Exchange(on: loop, request: request(token), requestToStrangers: request(nil))
        let result = await exchange.run(
            to: address, securedFor: isSecure ? host : nil, timeoutMilliseconds: timeoutMilliseconds)
        let problem = await exchange.certificateProblem
        return (try result.get(), problem)
    }

    /// Reads an answer that ends with its connection.
    static func read(_ answer: [UInt8]) throws(Fault) -> Diagnosis {
        let text = String(decoding: answer, as: UTF8.self)
        guard let headEnd = text.firstRange(of: "\r\n\r\n") else { throw .noAnswer }
        let lines = text[..<headEnd.lowerBound].split(separator: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { throw .notMartlet }
        let fields = lines.dropFirst().compactMap { line -> (name: String, value: String)? in
            let parts = line.split(separator: ":", maxSplits: 1)
            return parts.count == 2 ? (parts[0].lowercased(), String(parts[1].trimmingSpaces)) : nil
        }
        guard status == 200 else { throw .refused(status: status) }
        guard let value = fields.first(where: { $0.name == CheckRoutes.statusField.lowercased() })?.value,
            let overall = CheckStatus(rawValue: value)
        else { throw .notMartlet }
        return Diagnosis(status: overall, text: String(text[headEnd.upperBound...]))
    }
}

extension Doctor.Diagnosis {
    /// What was found over a connection to a server that is perhaps another.
    fileprivate func over(certificateProblem problem: String, hadToken: Bool) -> Doctor.Diagnosis {
        let withheld = hadToken ? "; the token was not sent" : ""
        let note = """
            warn  the certificate of this server is not trusted: \(problem)\(withheld)
                  → browsers refuse it as well: use one of an authority that they know


            """
        return Doctor.Diagnosis(status: max(status, .warn), text: note + text)
    }
}

/// One request and its answer over one connection.
private actor Exchange: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    /// What is wrong with the certificate that the server showed.
    private(set) var certificateProblem: String?

    private let request: [UInt8]
    private let requestToStrangers: [UInt8]
    private var connection: TCPConnection?
    private var tls: TLSEndpoint?
    private var hasAsked = false
    private var timer: (any LoopTimer)?
    private var received: [UInt8] = []
    private var continuation: CheckedContinuation<Result<[UInt8], Doctor.Fault>, Never>?

    init(on loop: EventLoop, request: [UInt8], requestToStrangers: [UInt8]) {
        eventLoop = loop
        self.request = request
        self.requestToStrangers = requestToStrangers
    }

    /// - Parameter host: whose certificate is expected, over TLS.
    func run(
        to address: SocketAddress, securedFor host: String?, timeoutMilliseconds: UInt64
    ) async -> Result<[UInt8], Doctor.Fault> {
        await withCheckedContinuation { continuation in
            self.continuation = continuation
            do {
                if let host { tls = try TLSEndpoint(client: try TLSClientContext.tolerant(), host: host) }
                let connection = try TCPConnection.connect(to: address, on: eventLoop)
                self.connection = connection
                connection.start(
                    onConnected: { self.connected() }, onData: { self.took($0) }, onClosed: { self.closed($0) })
            } catch {
                finish(.failure(.unreachable("\(error)")))
                return
            }
            timer = eventLoop.makeTimer(name: "doctor") { [weak self] in
                self?.onLoop { $0.finish(.failure(.noAnswer)) }
            }
            timer?.schedule(at: eventLoop.now.advanced(byMilliseconds: timeoutMilliseconds))
        }
    }

    private func connected() {
        if tls == nil { _ = connection?.write(request) }
        sendCiphertext()
    }

    private func took(_ bytes: RawSpan) {
        guard let tls else { return keep(bytes) }
        tls.received(bytes)
        switch tls.state {
        case .failed(let reason): return finish(.failure(.unreachable("TLS: \(reason)")))
        case .open where !hasAsked:
            hasAsked = true
            certificateProblem = tls.certificateProblem
            let request = certificateProblem == nil ? request : requestToStrangers
            _ = request.withBytes { tls.write($0) }
        case .open, .handshaking, .halfClosed, .closed: break
        }
        sendCiphertext()
        tls.drainPlaintext { keep($0) }
        if tls.state == .halfClosed { finish(.success(received)) }
    }

    private func sendCiphertext() {
        guard let tls, let connection else { return }
        tls.drainCiphertext { if !connection.write($0) { connection.close() } }
    }

    private func keep(_ bytes: RawSpan) {
        guard received.count + bytes.byteCount <= Doctor.maximumAnswerBytes else {
            return finish(.failure(.notMartlet))
        }
        received.append(contentsOf: bytes)
    }

    private func closed(_ reason: TCPCloseReason) {
        if case .failed(let error) = reason { return finish(.failure(.unreachable(error.description))) }
        finish(.success(received))
    }

    private func finish(_ result: Result<[UInt8], Doctor.Fault>) {
        timer?.cancel()
        timer = nil
        connection?.close()
        connection = nil
        continuation?.resume(returning: result)
        continuation = nil
    }
}
