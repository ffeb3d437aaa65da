/// The Session field: an identifier and how long the session lives without a sign of life (RFC 2326, section 12.37).
public struct RTSPSessionHeader: Hashable, Sendable {
    public var id: String
    public var timeoutSeconds: Int?

    public init(id: String, timeoutSeconds: Int? = nil) {
        self.id = id
        self.timeoutSeconds = timeoutSeconds
    }

    /// nil when there is no identifier. Blanks around anything are let pass.
    public init?(_ text: String) {
        let parts = text.split(separator: ";")
        let id = (parts.first ?? "").trimmingBlanks
        guard !id.isEmpty else { return nil }
        self.id = String(id)
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, pair[0].trimmingBlanks.lowercased() == "timeout" else { continue }
            timeoutSeconds = pair[1].trimmingBlanks.decimal(upTo: 86_400)
        }
    }

    public var text: String { id + (timeoutSeconds.map { ";timeout=\($0)" } ?? "") }
}
