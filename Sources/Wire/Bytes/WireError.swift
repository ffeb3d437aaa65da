/// The reason a wire format could not be read.
public enum WireError: Error, Equatable {
    /// Fewer bytes remain than the field at `offset` needs.
    case truncated(at: Int)
    /// A field holds a value the format forbids.
    case malformed(StaticString)

    public static func == (lhs: WireError, rhs: WireError) -> Bool {
        switch (lhs, rhs) {
        case (.truncated(let left), .truncated(let right)): left == right
        case (.malformed(let left), .malformed(let right)): "\(left)" == "\(right)"
        default: false
        }
    }
}
