public import Wire

/// Bridges: DownTracks that several viewers share, as the readers of a protocol that needs no numbering of its own do.
///
/// A bridge is no viewer: it neither counts as one nor keeps the room open. Its readers are viewers, each by itself.
extension Room {
    /// The bridge of this type that serves the room's readers now.
    public func bridge<Bridge: ViewerHandle>(_: Bridge.Type = Bridge.self) -> Bridge? {
        for bridge in bridges.values { if let found = bridge as? Bridge { return found } }
        return nil
    }

    /// Lets a bridge have DownTracks; it is told when one of them can no longer be fed.
    public func attach(_ bridge: any ViewerHandle) { bridges[bridge.peerID] = bridge }

    /// Takes a bridge's DownTracks away.
    public func detach(_ bridge: PeerID) {
        guard bridges.removeValue(forKey: bridge) != nil else { return }
        for kind in [MediaKind.video, .audio] { track(kind).onLoop { $0.remove(bridge) } }
    }
}
