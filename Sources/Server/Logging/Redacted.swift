/// Holds a secret and prints `[redacted]` however it is printed: interpolation, dump and debugger alike.
public struct Redacted<Value: Sendable>: Sendable {
    /// The secret itself. Reading it is a deliberate act.
    public let revealed: Value

    public init(_ value: Value) { revealed = value }

    static var text: String { "[redacted]" }
}

extension Redacted: Equatable where Value: Equatable {}
extension Redacted: Hashable where Value: Hashable {}

extension Redacted: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { Self.text }
    public var debugDescription: String { Self.text }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
