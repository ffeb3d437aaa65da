/// Attributes about payload types, header extensions and simulcast.
extension SDPParser {
    mutating func parseRTPMap() throws(SDPError) -> Bool {
        guard isInMedia else { return false }
        let payloadType = try payloadType(scanner.takeToken())
        let encoding = scanner.takeToken(until: UInt8(ascii: "/"))
        let clock = scanner.takeToken(until: UInt8(ascii: "/"))
        let channels = scanner.rest
        guard scanner.isToken(encoding) else {
            throw scanner.malformed("a=rtpmap for payload type \(payloadType) names no codec")
        }
        guard let clockRate: UInt32 = scanner.decimal(clock), clockRate > 0 else {
            throw scanner.malformed("the clock rate \(scanner.quoted(clock)) is not a number from 1 to 4294967295")
        }
        var map = RTPMap(payloadType: payloadType, encodingName: scanner.text(encoding), clockRate: clockRate)
        if !channels.isEmpty {
            guard let count: UInt8 = scanner.decimal(channels), count > 0 else {
                throw scanner.malformed("the channel count \(scanner.quoted(channels)) is not a number from 1 to 255")
            }
            map.channels = count
        }
        if let earlier = media.rtpMaps.first(where: { $0.payloadType == payloadType }) {
            guard earlier.isSameFormat(as: map) else {
                throw scanner.malformed("payload type \(payloadType) is mapped to two codecs")
            }
            return true
        }
        media.rtpMaps.append(map)
        return true
    }

    mutating func parseFormatParameters() throws(SDPError) -> Bool {
        guard isInMedia else { return false }
        let token = scanner.takeToken()
        // Formats of other protocols have names; their parameters stay unread.
        guard mediaIsRTP else {
            scanner.position = token.lowerBound
            return false
        }
        let payloadType = try payloadType(token)
        let line = FormatParameterLine(payloadType: payloadType, text: scanner.text(scanner.rest))
        media.formatParameters.append(line)
        return true
    }

    mutating func parseFeedback() throws(SDPError) -> Bool {
        guard isInMedia else { return false }
        let target = scanner.takeToken()
        let payloadType: UInt8? = scanner.equals(target, "*") ? nil : try payloadType(target)
        let feedback = RTCPFeedback(payloadType: payloadType, feedbackMessage(scanner.rest))
        media.feedback.append(feedback)
        return true
    }

    private func feedbackMessage(_ range: Range<Int>) -> RTCPFeedback.Message {
        switch range.count {
        case 4:
            if scanner.equals(range, "nack") { return .nack }
            if scanner.equals(range, "rrtr") { return .receiverReferenceTime }
        case 7: if scanner.equals(range, "ccm fir") { return .ccmFIR }
        case 8: if scanner.equals(range, "nack pli") { return .nackPLI }
        case 9: if scanner.equals(range, "goog-remb") { return .remb }
        case 12: if scanner.equals(range, "transport-cc") { return .transportCC }
        default: break
        }
        return .other(scanner.text(range))
    }

    mutating func parseExtensionMapping() throws(SDPError) -> Bool {
        let target = scanner.takeToken()
        let slash = scanner.bytes[target].firstIndex(of: UInt8(ascii: "/")) ?? target.upperBound
        guard let id: UInt16 = scanner.decimal(target.lowerBound..<slash) else {
            throw scanner.malformed("the extension id \(scanner.quoted(target)) is not a number up to 65535")
        }
        var direction: MediaDirection?
        if slash < target.upperBound {
            let word = slash + 1..<target.upperBound
            direction = MediaDirection.allCases.first { scanner.equals(word, $0.rawValue) }
            guard direction != nil else {
                throw scanner.malformed("the extension direction \(scanner.quoted(word)) is not known")
            }
        }
        let uri = scanner.takeToken()
        guard !uri.isEmpty else { throw scanner.malformed("a=extmap for id \(id) has no URI") }
        let mapping = ExtensionMapping(
            id: id, direction: direction, uri: scanner.text(uri),
            parameters: scanner.isAtLineEnd ? nil : scanner.text(scanner.rest))
        let count = isInMedia ? media.extensionMappings.count : session.extensionMappings.count
        guard count < scanner.limits.maximumExtensionMappings else {
            throw limit(scanner.limits.maximumExtensionMappings, "header extensions in one section")
        }
        if isInMedia {
            media.extensionMappings.append(mapping)
        } else {
            session.extensionMappings.append(mapping)
        }
        return true
    }

    mutating func parseRestrictionIdentifier() throws(SDPError) -> Bool {
        guard isInMedia else { return false }
        guard media.restrictionIdentifiers.count < scanner.limits.maximumRestrictionIdentifiers else {
            throw limit(scanner.limits.maximumRestrictionIdentifiers, "rid lines in one section")
        }
        let id = scanner.takeToken()
        guard scanner.isRestrictionIdentifier(id) else {
            throw scanner.malformed("a=rid holds \(scanner.quoted(id)), which is no restriction identifier")
        }
        let direction = scanner.takeToken()
        let isSend = scanner.equals(direction, "send")
        guard isSend || scanner.equals(direction, "recv") else {
            throw scanner.malformed("a=rid says neither send nor recv")
        }
        var identifier = RestrictionIdentifier(id: scanner.text(id), isSend: isSend)
        if scanner.equals(scanner.rest.prefix(3), "pt=") {
            scanner.position += 3
            var list = LineScanner(line: Array(scanner.bytes[scanner.takeToken(until: UInt8(ascii: ";"))]))
            while !list.isAtLineEnd {
                let range = list.takeToken(until: UInt8(ascii: ","))
                guard let payloadType: UInt8 = list.decimal(range, maximum: 127) else {
                    throw scanner.malformed("a=rid names a payload type that is not a number up to 127")
                }
                identifier.payloadTypes.append(payloadType)
            }
        }
        if !scanner.isAtLineEnd { identifier.restrictions = scanner.text(scanner.rest) }
        media.restrictionIdentifiers.append(identifier)
        return true
    }

    mutating func parseSimulcast() throws(SDPError) -> Bool {
        guard isInMedia else { return false }
        guard media.simulcast == nil else { throw scanner.malformed("a second a=simulcast in one section") }
        var simulcast = Simulcast()
        while !scanner.isAtLineEnd {
            let direction = scanner.takeToken()
            let streams = try simulcastStreams(scanner.takeToken())
            if scanner.equals(direction, "send"), simulcast.send.isEmpty {
                simulcast.send = streams
            } else if scanner.equals(direction, "recv"), simulcast.receive.isEmpty {
                simulcast.receive = streams
            } else {
                throw scanner.malformed("a=simulcast says neither send nor recv, or one of them twice")
            }
        }
        media.simulcast = simulcast
        return true
    }

    private func simulcastStreams(_ range: Range<Int>) throws(SDPError) -> [[Simulcast.Stream]] {
        var list = LineScanner(line: Array(scanner.bytes[range]))
        var streams: [[Simulcast.Stream]] = []
        var alternatives: [Simulcast.Stream] = []
        var total = 0
        while true {
            let isPaused = list.take(UInt8(ascii: "~"))
            let start = list.position
            while !list.isAtLineEnd, list.isRestrictionIdentifier(list.position..<list.position + 1) {
                list.position += 1
            }
            guard list.position > start else { throw scanner.malformed("a=simulcast holds an empty or wrong rid") }
            total += 1
            guard total <= scanner.limits.maximumRestrictionIdentifiers else {
                throw limit(scanner.limits.maximumRestrictionIdentifiers, "simulcast streams in one section")
            }
            alternatives.append(Simulcast.Stream(rid: list.text(start..<list.position), isPaused: isPaused))
            if list.take(UInt8(ascii: ",")) { continue }
            streams.append(alternatives)
            alternatives = []
            if list.isAtLineEnd { return streams }
            guard list.take(UInt8(ascii: ";")) else {
                throw scanner.malformed("a=simulcast holds an empty or wrong rid")
            }
        }
    }
}

extension RTPMap {
    /// Whether both name the same encoding, clock rate and channel count (SDP names compare without case).
    public func isSameFormat(as other: RTPMap) -> Bool {
        clockRate == other.clockRate && (channels ?? 1) == (other.channels ?? 1)
            && encodingName.lowercased() == other.encodingName.lowercased()
    }
}
