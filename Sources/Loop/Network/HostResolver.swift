internal import CLinux
internal import Synchronization
public import Wire

/// Turns host names into addresses with the system's resolver, on a thread of its own.
public final class HostResolver: Sendable {
    /// More addresses than a media server answers to; what goes beyond is left out.
    public static let maximumAddresses = 16

    private let queue = BlockingQueue(name: "resolver")

    public init() {}

    /// Asks for the addresses of `host` and returns at once; `finish` is called on the resolver's thread, with ports 0
    /// and an empty list when there are none.
    public func resolve(_ host: String, _ finish: @escaping @Sendable ([SocketAddress]) -> Void) {
        queue.run { finish(Self.addresses(of: host)) }
    }

    private static func addresses(of host: String) -> [SocketAddress] {
        guard !host.utf8.contains(0) else { return [] }
        var found = [clinux_address](repeating: clinux_address(), count: maximumAddresses)
        let count = unsafe clinux_resolve(host, &found, CInt(maximumAddresses))
        return count > 0 ? found.prefix(Int(count)).map { SocketAddress($0).withPort(0) } : []
    }
}
