/// One event of a `text/event-stream` (WHATWG HTML, section 9.2), encoded so that no field can break out of its line.
public struct ServerSentEvent: Sendable, Hashable {
    /// The event's type; nil is `message`. Line breaks in it become spaces.
    public var event: String?
    /// What the client sends back as Last-Event-ID. Line breaks become spaces; NUL is left out, because a client ignores
    /// an id that holds one.
    public var id: String?
    /// Each line becomes a `data` field of its own, which the client joins again with line feeds. An event without data
    /// is not dispatched.
    public var data: String
    /// How long the client waits before it reconnects.
    public var retryMilliseconds: Int?

    public init(event: String? = nil, id: String? = nil, data: String, retryMilliseconds: Int? = nil) {
        self.event = event
        self.id = id
        self.data = data
        self.retryMilliseconds = retryMilliseconds
    }

    public var encoded: [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(data.utf8.count + 64)
        if let retryMilliseconds { output += "retry: \(max(0, retryMilliseconds))\n".utf8 }
        if let event { Self.appendLine("event: ", event, to: &output) }
        if let id { Self.appendLine("id: ", id, to: &output) }
        Self.appendLines("data: ", data, to: &output)
        output.append(HTTPSyntax.lineFeed)
        return output
    }

    /// A line clients ignore: a heartbeat, or the first bytes that make proxies pass the head on.
    public static func comment(_ text: String = "") -> [UInt8] {
        var output: [UInt8] = []
        appendLine(":", text, to: &output)
        output.append(HTTPSyntax.lineFeed)
        return output
    }

    /// A lone `retry` field: changes the client's reconnection time and dispatches nothing.
    public static func retry(milliseconds: Int) -> [UInt8] { Array("retry: \(max(0, milliseconds))\n\n".utf8) }

    private static func isLineBreak(_ byte: UInt8) -> Bool {
        byte == HTTPSyntax.lineFeed || byte == HTTPSyntax.carriageReturn
    }

    private static func appendLine(_ field: String, _ text: String, to output: inout [UInt8]) {
        output += field.utf8
        for byte in text.utf8 where byte != 0 { output.append(isLineBreak(byte) ? HTTPSyntax.space : byte) }
        output.append(HTTPSyntax.lineFeed)
    }

    private static func appendLines(_ field: String, _ text: String, to output: inout [UInt8]) {
        output += field.utf8
        var previous: UInt8 = 0
        for byte in text.utf8 {
            defer { previous = byte }
            guard isLineBreak(byte) else {
                output.append(byte)
                continue
            }
            if byte == HTTPSyntax.lineFeed, previous == HTTPSyntax.carriageReturn { continue }
            output.append(HTTPSyntax.lineFeed)
            output += field.utf8
        }
        output.append(HTTPSyntax.lineFeed)
    }
}
