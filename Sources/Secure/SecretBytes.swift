internal import COpenSSL

/// Key bytes that are overwritten when the last reference goes, and never printed.
///
/// Immutable, so that sharing is safe on any thread.
@safe
public final class SecretBytes: @unchecked Sendable, CustomStringConvertible, CustomReflectable {
    private let storage: UnsafeMutableRawBufferPointer

    public var count: Int { unsafe storage.count }
    public var description: String { "secret, \(count) bytes" }
    public var customMirror: Mirror { Mirror(self, children: EmptyCollection()) }

    /// Copies `bytes`; the original remains the caller's to overwrite.
    public init(copying bytes: RawSpan) {
        unsafe storage = .allocate(byteCount: bytes.byteCount, alignment: 1)
        unsafe bytes.withUnsafeBytes { unsafe storage.copyMemory(from: $0) }
    }

    public convenience init(_ bytes: [UInt8]) {
        self.init(copying: unsafe bytes.span.bytes)
    }

    deinit {
        unsafe OPENSSL_cleanse(storage.baseAddress, storage.count)
        unsafe storage.deallocate()
    }

    /// Lends the bytes. The span must not outlive `body`.
    public func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try body(unsafe storage.bytes)
    }
}
