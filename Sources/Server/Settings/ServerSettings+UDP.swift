import Loop

extension ServerSettings {
    /// How ports for datagrams are opened.
    ///
    /// - Parameter usual: bytes of the receive buffer where the operator left them to the server; nil for the loop's own.
    func udpSocketSettings(usual: Int? = nil) -> UDPSocket.Settings {
        var settings = UDPSocket.Settings()
        if udpReadBufferSize.bytes > 0 {
            settings.receiveBufferSize = udpReadBufferSize.bytes
        } else if let usual {
            settings.receiveBufferSize = usual
        }
        return settings
    }
}
