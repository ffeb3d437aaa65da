import Loop

extension ServerSettings {
    /// How ports for datagrams are opened.
    ///
    /// - Parameters:
    ///   - usual: bytes of the receive buffer where the operator left them to the server; nil for the loop's own.
    ///   - path: whose own setting comes first.
    func udpSocketSettings(usual: Int? = nil, of path: PathSettings? = nil) -> UDPSocket.Settings {
        var settings = UDPSocket.Settings()
        if let own = path?.rtspUDPReadBufferSize.bytes, own > 0 {
            settings.receiveBufferSize = own
        } else if udpReadBufferSize.bytes > 0 {
            settings.receiveBufferSize = udpReadBufferSize.bytes
        } else if let usual {
            settings.receiveBufferSize = usual
        }
        return settings
    }
}
