import Wire

/// How requests are made and addressed.
extension RTSPClientMachine {
    mutating func send(_ request: RTSPRequest, retries: Int = 0, at now: Instant) {
        number += 1
        var headers = RTSPHeaders([("CSeq", String(number)), ("User-Agent", configuration.userAgent)])
        if let session { headers.add("Session", session.id) }
        if let challenge, let user = configuration.url.user {
            nonceCount += 1
            let clientNonce = String(randomNumber(), radix: 16)
            headers.add(
                "Authorization",
                challenge.authorization(
                    user: user, password: configuration.url.password ?? "", method: request.methodName,
                    uri: request.url, clientNonce: clientNonce, nonceCount: nonceCount, hash: hash))
        }
        for field in request.headers.fields { headers.add(field.name, field.value) }
        var full = request
        full.headers = headers
        outstanding = (number, request, retries)
        answerDue = now.advanced(bySeconds: configuration.responseTimeoutSeconds)
        events.append(.send(full.serialized))
    }

    /// What relative controls count from. The server may call itself by another name than it is reached by, as behind a
    /// NAT: then the path counts alone.
    static func base(_ field: String?, of url: RTSPURL) -> String {
        guard let field else { return url.text }
        var own = url
        if let named = RTSPURL(field) {
            own.resource = named.resource
        } else if field.hasPrefix("/") {
            own.resource = field
        }
        return own.text
    }

    /// The URL of a control attribute. One with another host is taken for one behind a NAT: its path counts.
    static func resolve(_ control: String, base: String) -> String {
        if control.isEmpty || control == "*" { return base }
        if let absolute = RTSPURL(control) {
            guard var own = RTSPURL(base) else { return control }
            own.resource = absolute.resource
            return own.text
        }
        let stem = base.hasSuffix("/") ? base.dropLast() : base[...]
        return control.hasPrefix("?") || control.hasPrefix("/") ? stem + control : "\(stem)/\(control)"
    }
}
