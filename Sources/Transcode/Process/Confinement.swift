import CConfinement
import Glibc

/// Gives up what converting does not need; there is no way back.
public enum Confinement {
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// - Parameters:
    ///   - descriptor: stays open, beside standard input, output and error.
    ///   - addressSpace: bytes that the process may have, shared libraries included.
    public static func enter(descriptor: Int32, addressSpace: Int) throws(Failure) {
        var step: UnsafePointer<CChar>?
        let code = unsafe CConfinement_confine(descriptor, addressSpace, &step)
        guard code != 0 else { return }
        let what = unsafe step.map { unsafe String(cString: $0) } ?? ""
        throw Failure(description: "cannot confine itself: \(what): \(unsafe String(cString: strerror(code)))")
    }
}
