internal import Glibc

/// A system call refused what an operator or a caller wanted.
public struct LoopError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What could not be done, to be read after "cannot": `listen on udp 0.0.0.0:8189`.
    public let action: String
    /// The `errno` value.
    public let code: CInt

    public init(_ action: String, code: CInt) {
        self.action = action
        self.code = code
    }

    public var description: String {
        let reason = "cannot \(action): \(Self.text(of: code))"
        return hint.map { "\(reason) (\($0))" } ?? reason
    }

    /// What an operator may do about it, for the errors that come from how the system is set up.
    private var hint: String? {
        switch code {
        case EADDRINUSE: "stop the program that holds this port, or configure another one"
        case EADDRNOTAVAIL: "no interface of this machine has that address"
        case EACCES where action.hasPrefix("listen"): "ports below 1024 need root or CAP_NET_BIND_SERVICE"
        case EMFILE: "raise the limit of open files, `ulimit -n` or LimitNOFILE="
        case ENFILE: "the whole system is out of open files, see fs.file-max"
        case EAFNOSUPPORT: "this system has that address family switched off"
        default: nil
        }
    }

    private static func text(of code: CInt) -> String {
        guard let message = unsafe strerror(code) else { return "error \(code)" }
        let text = unsafe String(cString: message)
        // "Address already in use" reads on from a colon; "I/O error" keeps its capitals.
        guard let first = text.first, text.dropFirst().first?.isLowercase == true else { return text }
        return first.lowercased() + text.dropFirst()
    }
}

/// Turns a wrapper's negative errno into an error.
@discardableResult
func check(_ status: CInt, _ action: @autoclosure () -> String) throws(LoopError) -> CInt {
    guard status < 0 else { return status }
    throw LoopError(action(), code: -status)
}

extension LoopError {
    /// Whether the peer ended the connection without ceremony.
    public var isReset: Bool { code == ECONNRESET || code == EPIPE }

    static let outOfMemory = ENOMEM
    /// What was asked for cannot be.
    public static let invalidArgument = EINVAL
    public static let addressInUse = EADDRINUSE
}
