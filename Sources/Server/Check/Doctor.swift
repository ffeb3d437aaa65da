internal import HTTP
internal import Loop
internal import Wire

/// Asks a server how it is: `martlet doctor URL`. Plain HTTP only, one small request.
public struct Doctor: Sendable {
    static let defaultPort: UInt16 = 8889
    static let maximumAnswerBytes = 1 << 20
    static let timeoutMilliseconds: UInt64 = 10_000

    public enum Fault: Error, Hashable, Sendable, CustomStringConvertible {
        case unusableURL(String)
        case secureURL(String)
        case unknownHost(String)
        case unreachable(String)
        case noAnswer
        case refused(status: Int)
        case notMartlet

        public var description: String {
            switch self {
            case .unusableURL(let text): "'\(text)' is no URL such as http://192.0.2.1:8889"
            case .secureURL(let text): "doctor speaks plain HTTP only; use: curl \(text)"
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

    /// - Parameter url: `http://host:port`, or without `http://`, or without a port.
    public init(_ url: String) throws(Fault) {
        var rest = Substring(url)
        if rest.hasPrefix("https://") { throw .secureURL(url + (url.hasSuffix("/") ? "check" : "/check")) }
        let hasScheme = rest.hasPrefix("http://")
        if hasScheme { rest = rest.dropFirst(7) }
        rest = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        var port = hasScheme ? 80 : Self.defaultPort
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
        let addresses = await resolve()
        guard !addresses.isEmpty else { throw .unknownHost(host) }
        var fault = Fault.noAnswer
        for address in addresses {
            do throws(Fault) {
                return try Self.read(try await Self.fetch(request(token), from: address))
            } catch {
                fault = error
                guard case .unreachable = error else { throw error }
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

    private static func fetch(_ request: [UInt8], from address: SocketAddress) async throws(Fault) -> [UInt8] {
        let loop: EventLoop
        do throws(LoopError) {
            loop = try EventLoop(name: "doctor")
            try loop.start()
        } catch {
            throw .unreachable(error.description)
        }
        defer { loop.stop() }
        let exchange = Exchange(on: loop)
        switch await exchange.run(request, to: address) {
        case .success(let bytes): return bytes
        case .failure(let fault): throw fault
        }
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

/// One request and its answer over one connection.
private actor Exchange: LoopActor {
    nonisolated let eventLoop: EventLoop
    nonisolated var loop: any LoopExecutor { eventLoop }

    private var connection: TCPConnection?
    private var timer: (any LoopTimer)?
    private var received: [UInt8] = []
    private var continuation: CheckedContinuation<Result<[UInt8], Doctor.Fault>, Never>?

    init(on loop: EventLoop) { eventLoop = loop }

    func run(_ request: [UInt8], to address: SocketAddress) async -> Result<[UInt8], Doctor.Fault> {
        await withCheckedContinuation { continuation in
            self.continuation = continuation
            do throws(LoopError) {
                let connection = try TCPConnection.connect(to: address, on: eventLoop)
                self.connection = connection
                connection.start(onData: { self.took($0) }, onClosed: { self.closed($0) })
                _ = connection.write(request)
            } catch {
                finish(.failure(.unreachable(error.description)))
                return
            }
            timer = eventLoop.makeTimer(name: "doctor") { [weak self] in
                self?.onLoop { $0.finish(.failure(.noAnswer)) }
            }
            timer?.schedule(at: eventLoop.now.advanced(byMilliseconds: Doctor.timeoutMilliseconds))
        }
    }

    private func took(_ bytes: RawSpan) {
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
