/// `Link` header values for the ICE servers clients are told to use (RFC 9725, section 4.6).
extension ServerSettings {
    /// One value per server, each to go into a header field of its own: OBS splits naively at commas and semicolons.
    var iceServerLinks: [String] {
        webrtcICEServers2.map { server in
            var link = "<\(server.url)>; rel=\"ice-server\""
            if !server.username.isEmpty {
                link += "; username=\"\(Self.quoted(server.username))\""
                link += "; credential=\"\(Self.quoted(server.password.revealed))\"; credential-type=\"password\""
            }
            return link
        }
    }

    /// The inside of a quoted string (RFC 9110, section 5.6.4).
    private static func quoted(_ text: String) -> String {
        var result = ""
        for character in text {
            if character == "\"" || character == "\\" { result.append("\\") }
            result.append(character)
        }
        return result
    }
}
