public import HTTP

/// Answers one request. It runs on the default pool unless its body is an actor's; its task is cancelled when the client
/// goes before the answer, which then reaches nobody.
public typealias HTTPHandler = @Sendable (HTTPRequest) async -> HTTPResponse
