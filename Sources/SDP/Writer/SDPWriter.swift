extension SessionDescription {
    /// The description by the letter of RFC 8866, every line ended by CR LF.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    public var bytes: [UInt8] {
        var writer = SDPWriter()
        writer.write(self)
        return writer.bytes
    }
}

/// Appends lines. Control characters in values become `?`, so that no value can start a line of its own.
struct SDPWriter {
    var bytes: [UInt8] = []

    init() { bytes.reserveCapacity(4096) }

    mutating func line(_ text: String) {
        bytes.append(contentsOf: text.utf8.lazy.map { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F ? 0x3F : $0 })
        bytes.append(0x0D)
        bytes.append(0x0A)
    }

    mutating func flag(_ isSet: Bool, _ name: String) {
        if isSet { line("a=\(name)") }
    }

    mutating func write(_ session: SessionDescription) {
        let origin = session.origin
        line("v=0")
        line("o=\(origin.username) \(origin.sessionID) \(origin.sessionVersion) \(text(origin.connection))")
        line("s=\(session.sessionName)")
        if let connection = session.connection { line("c=\(text(connection))") }
        for bandwidth in session.bandwidths { line("b=\(bandwidth.type):\(bandwidth.value)") }
        line("t=0 0")
        for group in session.groups { line("a=group:\(([group.semantics] + group.mids).joined(separator: " "))") }
        flag(session.isICELite, "ice-lite")
        flag(session.extmapAllowMixed, "extmap-allow-mixed")
        write(session.transport)
        write(session.extensionMappings)
        if let direction = session.direction { line("a=\(direction.rawValue)") }
        write(session.otherAttributes)
        for media in session.media { write(media) }
    }

    mutating func write(_ media: MediaDescription) {
        let formats = media.isRTP ? media.payloadTypes.map { String($0) } : media.formats
        let port = media.portCount.map { "\(media.port)/\($0)" } ?? "\(media.port)"
        line((["m=\(media.media)", port, media.proto] + formats).joined(separator: " "))
        if let connection = media.connection { line("c=\(text(connection))") }
        for bandwidth in media.bandwidths { line("b=\(bandwidth.type):\(bandwidth.value)") }
        write(media.transport)
        if let mid = media.mid { line("a=mid:\(mid)") }
        flag(media.isBundleOnly, "bundle-only")
        flag(media.extmapAllowMixed, "extmap-allow-mixed")
        write(media.extensionMappings)
        if let direction = media.direction { line("a=\(direction.rawValue)") }
        for identifier in media.streamIdentifiers {
            line("a=msid:\(identifier.stream)" + (identifier.track.map { " \($0)" } ?? ""))
        }
        flag(media.hasRTCPMux, "rtcp-mux")
        flag(media.hasRTCPMuxOnly, "rtcp-mux-only")
        flag(media.hasReducedSizeRTCP, "rtcp-rsize")
        writeFormats(media)
        writeSources(media)
        write(media.otherAttributes)
        for candidate in media.candidates { line("a=\(candidate.text)") }
        flag(media.hasEndOfCandidates, "end-of-candidates")
    }

    private mutating func writeFormats(_ media: MediaDescription) {
        for map in media.rtpMaps {
            let channels = map.channels.map { "/\($0)" } ?? ""
            line("a=rtpmap:\(map.payloadType) \(map.encodingName)/\(map.clockRate)\(channels)")
        }
        for feedback in media.feedback {
            let target = feedback.payloadType.map { String($0) } ?? "*"
            line("a=rtcp-fb:\(target) \(feedback.message.text)")
        }
        for parameters in media.formatParameters { line("a=fmtp:\(parameters.payloadType) \(parameters.text)") }
    }

    private mutating func writeSources(_ media: MediaDescription) {
        for group in media.sourceGroups {
            line("a=ssrc-group:\(([group.semantics] + group.ssrcs.map { String($0) }).joined(separator: " "))")
        }
        for source in media.sourceAttributes {
            line("a=ssrc:\(source.ssrc) \(source.name)" + (source.value.map { ":\($0)" } ?? ""))
        }
        for identifier in media.restrictionIdentifiers {
            var parts: [String] = []
            if !identifier.payloadTypes.isEmpty {
                parts.append("pt=" + identifier.payloadTypes.map { String($0) }.joined(separator: ","))
            }
            if let restrictions = identifier.restrictions { parts.append(restrictions) }
            let tail = parts.isEmpty ? "" : " " + parts.joined(separator: ";")
            line("a=rid:\(identifier.id) \(identifier.isSend ? "send" : "recv")\(tail)")
        }
        if let simulcast = media.simulcast {
            var parts: [String] = []
            if !simulcast.send.isEmpty { parts.append("send \(text(simulcast.send))") }
            if !simulcast.receive.isEmpty { parts.append("recv \(text(simulcast.receive))") }
            line("a=simulcast:\(parts.joined(separator: " "))")
        }
    }

    private func text(_ streams: [[Simulcast.Stream]]) -> String {
        streams.map { alternatives in
            alternatives.map { ($0.isPaused ? "~" : "") + $0.rid }.joined(separator: ",")
        }.joined(separator: ";")
    }

    private func text(_ connection: ConnectionAddress) -> String {
        "IN \(connection.isIPv6 ? "IP6" : "IP4") \(connection.address)"
    }

    mutating func write(_ transport: TransportAttributes) {
        if let ufrag = transport.iceUfrag { line("a=ice-ufrag:\(ufrag)") }
        if let password = transport.icePassword { line("a=ice-pwd:\(password)") }
        if !transport.iceOptions.isEmpty { line("a=ice-options:\(transport.iceOptions.joined(separator: " "))") }
        for fingerprint in transport.fingerprints {
            let digest = fingerprint.bytes.map { byte in
                (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
            line("a=fingerprint:\(fingerprint.algorithm) \(digest.joined(separator: ":"))")
        }
        if let setup = transport.setup { line("a=setup:\(setup.rawValue)") }
    }

    private mutating func write(_ mappings: [ExtensionMapping]) {
        for mapping in mappings {
            let direction = mapping.direction.map { "/\($0.rawValue)" } ?? ""
            let parameters = mapping.parameters.map { " \($0)" } ?? ""
            line("a=extmap:\(mapping.id)\(direction) \(mapping.uri)\(parameters)")
        }
    }

    private mutating func write(_ attributes: [Attribute]) {
        for attribute in attributes { line("a=\(attribute.name)" + (attribute.value.map { ":\($0)" } ?? "")) }
    }
}
