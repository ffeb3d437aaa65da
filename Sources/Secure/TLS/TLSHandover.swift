internal import Synchronization

/// A TLS connection on its way to another owner, which may live on another thread.
///
/// The giver does not touch the endpoint any more once it is in here; nothing but this promise makes it safe.
public final class TLSHandover: @unchecked Sendable {
    private let endpoint: TLSEndpoint
    private let isTaken = Atomic<Bool>(false)

    public init(_ endpoint: TLSEndpoint) { self.endpoint = endpoint }

    /// The endpoint, once; nil afterwards.
    public func take() -> TLSEndpoint? { isTaken.exchange(true, ordering: .acquiringAndReleasing) ? nil : endpoint }
}
