import CFuzzer
import Synchronization
import Wire

private let body = Mutex<(@Sendable (RawSpan) -> Void)?>(nil)

/// Called with inputs libFuzzer keeps mutating towards unexplored branches.
@_cdecl("LLVMFuzzerTestOneInput")
func tryInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = unsafe UnsafeRawBufferPointer(start: start, count: count)
    if let body = body.withLock({ $0 }) { unsafe body(bytes.bytes) }
    return 0
}

/// Hands the process to libFuzzer, which tries `input` until it finds a fault.
public func fuzz(_ input: @escaping @Sendable (RawSpan) -> Void) {
    body.withLock { $0 = input }
    unsafe run_fuzzer(CommandLine.argc, CommandLine.unsafeArgv)
}

/// How large the pieces are in which a reader of a stream gets it: all at once, and cut.
public struct PieceSizes {
    public var whole: Int
    public var pieces: Int
}

/// For readers of streams, which must not notice how a stream is cut: the first byte is the size of the pieces, the rest
/// is the stream.
public func inPieces(_ input: RawSpan, _ body: ([UInt8], PieceSizes) -> Void) {
    guard let first = input.integer(at: 0, as: UInt8.self) else { return }
    let stream = input.array(1..<input.byteCount)
    body(stream, PieceSizes(whole: max(1, stream.count), pieces: max(1, Int(first))))
}
