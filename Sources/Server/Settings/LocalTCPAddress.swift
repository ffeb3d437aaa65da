/// Where ICE-TCP is accepted, for clients that UDP does not reach.
public enum LocalTCPAddress: Hashable, Sendable {
    /// The address and port number of media over UDP.
    case sameAsUDP
    case address(ListenAddress)
    case none
}

extension SettingType<LocalTCPAddress> {
    static let localTCPAddress = SettingType(
        name: "address and port",
        accepted: "such as :8189; same for the address and port of webrtcLocalUDPAddress, empty or no for none",
        read: { (node) throws(SettingFault) in
            switch try node.scalar() {
            case "", "no", "false", "off": return .none
            case "same": return .sameAsUDP
            case let text:
                guard let address = ListenAddress(text) else {
                    throw SettingFault("\(node.summary) is not an address and port")
                }
                return .address(address)
            }
        },
        write: { value in
            switch value {
            case .none: "no"
            case .sameAsUDP: "same"
            case .address(let address): SettingType<ListenAddress>.listenAddress.write(address)
            }
        })
}
